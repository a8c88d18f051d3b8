"""Ed25519 and X25519 private keys without a marker, and those of the 448-bit curves.

Rules enforced here:

1. Any 32 bytes are a seed (RFC 8032) and a scalar (RFC 7748): they count only when the public
   key that they derive was seen. Both readings of the same bytes are tried, the scalar also as
   the first half of an expanded Ed25519 key, whose public key is the same point.
2. What is looked up is the coordinate of an Ed25519 key; its sign, the top bit, is looked for
   either way, and computed for the fingerprint.
3. The 448-bit curves have no fast way: their windows are tried only against known public keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from lockgate.scan.prove import edwards
from lockgate.scan.prove.fixed_base import BASES, coordinates
from lockgate.scan.search.derived import Derived, Identity, Pair
from lockgate.scan.search.points import Points
from lockgate.scan.search.word_table import Rows

SEED_FORMAT, SCALAR_FORMAT = "raw-seed", "raw-scalar"
_SLOW = ("Ed448", "X448")
_BASE = BASES["Curve25519"]
#: How a window of 32 bytes is read.
SEED, EXPANDED, X25519 = "Ed25519", "Ed25519 expanded", "X25519"
_LOW, _HIGH, _TOP = np.uint64((1 << 64) - 8), np.uint64((1 << 63) - 1), np.uint64(1 << 62)
_SIGN = np.uint64(1 << 63)


def derive(rows: Rows) -> Iterator[Derived]:
    """The public keys of rows of 32 bytes, as seeds and as scalars."""
    every = np.arange(len(rows))
    hashed = b"".join(hashlib.sha512(row).digest()[:32] for row in map(bytes, rows))
    _, v = _coordinates(np.frombuffer(hashed, np.uint64).reshape(-1, 4))
    yield Derived(SEED, every, rows, v, _both_signs(v))
    u, v = _coordinates(rows)
    yield Derived(EXPANDED, every, rows, v, _both_signs(v))
    yield Derived(X25519, every, rows, u, u[:, None])


def _coordinates(scalars: Rows) -> tuple[Rows, Rows]:
    clamped = scalars.copy()
    clamped[:, 0] &= _LOW
    clamped[:, 3] = clamped[:, 3] & _HIGH | _TOP
    forms = coordinates(_BASE, clamped)
    return forms[:, 0], forms[:, 1]


def _both_signs(v: Rows) -> Rows:
    signed = v.copy()
    signed[:, 3] |= _SIGN
    return np.stack((v, signed), axis=1)


def pair(derived: Derived, index: int) -> Pair:
    """One of the derived pairs."""
    secret = derived.secrets[index].tobytes()
    publics = tuple(words.tobytes() for words in derived.publics[index])
    return Pair(derived.algorithm, secret, publics, publics, (secret,))


def identify(pair: Pair) -> Identity:
    """The key of a pair."""
    if pair.algorithm == SEED:
        return _identity(SEED_FORMAT, "Ed25519", edwards.public_key("Ed25519", pair.secret))
    if pair.algorithm == EXPANDED:
        return _identity(SCALAR_FORMAT, "Ed25519", edwards.public_key_of_scalar(pair.secret))
    (public,) = pair.publics
    form = SEED_FORMAT if pair.algorithm == "Ed448" else SCALAR_FORMAT
    return _identity(form, pair.algorithm, public)


def _identity(form: str, algorithm: str, public: bytes) -> Identity:
    bits = edwards.ALGORITHMS[algorithm].bits
    return Identity(form, algorithm, bits, edwards.fingerprint(algorithm, public), public)


def knows_448(known: Points) -> bool:
    """Whether a public key of a 448-bit curve is known."""
    sizes = {edwards.ALGORITHMS[name].size for name in _SLOW}
    return any(len(public) in sizes for public in known)


def pairs_448(rows: Rows, known: Points) -> Iterator[tuple[int, Pair]]:
    """``(row, pair)`` of windows of 57 bytes that derive a known public key."""
    sizes = {len(public) for public in known}
    for index, row in enumerate(map(bytes, rows)):
        for name in _SLOW:
            secret = row[: edwards.ALGORITHMS[name].size]
            if len(secret) in sizes:
                public = edwards.public_key(name, secret)
                if public in known:
                    yield index, Pair(name, secret, (public,), (public,), (secret,))
