"""EC private keys among bare numbers: scalars whose public point was seen.

Any number derives a point, so a scalar without its point is nothing. Two numbers of one file
of which one derives the other are a key pair with certainty; what the pair is for they do not
say. The nonce k of a signature and its r = k * G look the same, and a leaked nonce gives the
signer's key away just as well; so such a pair is ``private`` unless its public half was seen
as a handshake's key share only (``points``).

Rules enforced here:

1. The point is looked for among points that structures announced, the registry, and the words
   of the file: plain or in Montgomery form, in either byte order, and as Java's ``int[]``.
2. Scalars next to 0 or the order, their small fractions, and those that an endomorphism maps
   there are no keys: libraries carry their points as tables.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lockgate.scan.prove import ec
from lockgate.scan.prove.fixed_base import BASES, Base, coordinates, in_range
from lockgate.scan.search import secret_digits
from lockgate.scan.search.derived import Derived, Identity, Pair
from lockgate.scan.search.secret_windows import (
    LIMBS_256,
    LIMBS_384,
    LIMBS_448,
    LIMBS_521,
    from_big_endian,
    reversed_bytes,
)
from lockgate.scan.search.word_table import Rows

FORMAT = "ec-scalar"
#: Curves searched, by the limbs of their scalars.
CURVES = {LIMBS_256: ("P-256", "secp256k1"), LIMBS_384: ("P-384",), LIMBS_521: ("P-521",)}
ALGORITHMS = frozenset(name for names in CURVES.values() for name in names)
_FRACTIONS = 16
#: A cube root of 1 modulo the order of secp256k1: multiplying by it maps x to beta * x (SEC 2
#: curve; Gallant, Lambert and Vanstone, 2001).
_ENDOMORPHISM = 0x5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72


def derive(limbs: int, rows: Rows) -> Iterator[Derived]:
    """The public X coordinates of rows of ``limbs`` words, read in both byte orders."""
    for name in CURVES[limbs]:
        base = BASES[name]
        yield _derived(base, rows)
        if base.bits == 64 * limbs:
            yield _derived(base, reversed_bytes(rows))


def _derived(base: Base, rows: Rows) -> Derived:
    inside = np.flatnonzero(in_range(base, rows))
    scalars = np.ascontiguousarray(rows[inside])
    forms = coordinates(base, scalars)
    plain = np.ascontiguousarray(forms[:, 0])
    return Derived(base.name, inside, scalars, plain, _in_memory(base, forms))


def _in_memory(base: Base, forms: Rows) -> Rows:
    """The words in which X may stand: little-endian forms, big-endian bytes, ``int[]``, digits.

    Of P-521 only the 64 bytes that fill words, of digits as many words.
    """
    size, used = ec.CURVES[base.name].size, min(base.limbs, LIMBS_448)
    plain = np.ascontiguousarray(forms[:, 0]).view(np.uint8)
    big_endian = from_big_endian(plain[:, :size], base.limbs)[:, :used]
    ints = np.ascontiguousarray(forms[:, 0]).view(np.uint32)[:, : -(-base.bits // 32)]
    high_first = np.ascontiguousarray(ints[:, ::-1][:, : 2 * used]).view(np.uint64)
    digits = [secret_digits.in_digits(forms[:, 0], kind, used) for kind in secret_digits.DIGITS]
    others = np.stack((big_endian, high_first, *digits), axis=1)
    return np.concatenate((forms[:, :, :used], others), axis=1)


def pair(derived: Derived, index: int) -> Pair:
    """One of the derived pairs."""
    curve = ec.CURVES[derived.algorithm]
    little = derived.secrets[index].tobytes()[: curve.size]
    return Pair(
        algorithm=curve.name,
        secret=little,
        names=(derived.plain[index].tobytes()[: curve.size][::-1],),
        publics=tuple(words.tobytes() for words in derived.publics[index]),
        secrets=(little, little[::-1], _high_word_first(little)),
    )


def identify(pair: Pair) -> Identity | None:
    """The key of a pair, None when it is trivial."""
    curve = ec.CURVES[pair.algorithm]
    d = int.from_bytes(pair.secret, "little")
    if is_trivial(curve, d):
        return None
    point = ec.public_point(curve, d)
    fingerprint = ec.fingerprint(curve, point)
    return Identity(FORMAT, "EC", curve.bits, fingerprint, point[1 : 1 + curve.size])


def is_trivial(curve: ec.Curve, d: int) -> bool:
    """Whether the point is one that libraries carry as a constant."""
    n = curve.order
    turns = (1, _ENDOMORPHISM, _ENDOMORPHISM**2) if curve.name == "secp256k1" else (1,)
    multiples = (d * turn * factor % n for turn in turns for factor in range(1, _FRACTIONS + 1))
    return any(min(m, n - m) < 1 << curve.bits // 2 for m in multiples)


def _high_word_first(little: bytes) -> bytes:
    padded = little + bytes(-len(little) % 4)
    return b"".join(padded[at : at + 4] for at in range(len(padded) - 4, -1, -4))
