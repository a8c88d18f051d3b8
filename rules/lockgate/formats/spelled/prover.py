"""Settle private numbers that are spelt out, by what they have to do with their neighbours.

Rules enforced here:

1. Names only point at numbers; which number is which is found by arithmetic.
2. A number that divides another, or undoes 65537 modulo it, is RSA; one that derives the point
   or the key beside it is elliptic; ``g^x = y`` is DSA.
3. A number announced as private that proves nothing is undecided when it looks random.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from lockgate.formats import numbers as shown
from lockgate.formats.rule_format import looks_random, private_key
from lockgate.formats.spelled.numbers import Spelled, numbers_in
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import dsa, ec, edwards, rsa
from lockgate.scan.prove.ssh_keys import ShownKey
from lockgate.scan.text.characters import characters
from lockgate.scan.text.escapes import unescaped

NAME = "spelled"
#: Bytes before a name in which the modulus may stand.
BEFORE = 8 << 10

_AFTER_CHARACTERS = 12 << 10
_BEFORE_CHARACTERS = 3 << 10
_ANNOUNCED = (b"priv:", b"rivate", b"rime")
_NAME_CHARACTERS = 16
_USUAL_EXPONENT = 65537
_DSA_NUMBERS = 5
_SEALED_BYTES = 16


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins with the name."""
    text = characters(candidate)
    first = max(0, text.index - _BEFORE_CHARACTERS)
    piece = unescaped(text.data[first : text.index + _AFTER_CHARACTERS])
    match = text.index - first
    found = numbers_in(piece, match)
    behind = next((n for n in found if n.start >= match), None)
    if behind is None:
        return Refuted("no number behind the name")
    key = next(_keys(found, behind), None)
    if key is not None:
        start = first + min(match, found[0].start)
        offset, length = text.span(start, first + found[-1].stop)
        evidence = private_key(NAME, key.algorithm, key.bits, key.fingerprint, length, key.proof)
        return Proven((replace(evidence, offset=offset),))
    if not looks_random(behind.raw[-_SEALED_BYTES:]):
        return Refuted("no private number behind the name")
    if not any(name in text.after[:_NAME_CHARACTERS] for name in _ANNOUNCED):
        return Refuted("numbers that have nothing to do with one another")
    return Undecided(
        "a private number without its public half", *text.span(text.index, first + behind.stop)
    )


def _keys(found: Sequence[Spelled], behind: Spelled) -> Iterator[ShownKey]:
    values = sorted({n.value for n in found}, reverse=True)
    yield from _rsa(values)
    yield from _elliptic(found, behind)
    yield from _dsa(found)


def _rsa(values: Sequence[int]) -> Iterator[ShownKey]:
    """A modulus and a number that gives its factors away; two primes and their exponent."""
    for n in filter(rsa.plausible_modulus, values):
        for other in values:
            if other < n and (key := _with_modulus(n, other)):
                yield key
    for p, q in ((p, q) for p in values for q in values if q < p < q * q):
        yield from _with_exponent(p, q, (d for d in values if d > p))


def _with_exponent(p: int, q: int, exponents: Iterable[int]) -> Iterator[ShownKey]:
    """Two primes prove nothing by their own product: an exponent must belong to both."""
    for d in exponents:
        if (_USUAL_EXPONENT * d - 1) % (p - 1) == 0 and (_USUAL_EXPONENT * d - 1) % (q - 1) == 0:
            key = shown.rsa_private(rsa.RsaNumbers(p * q, _USUAL_EXPONENT, d, p, q))
            if key is not None:
                yield key


def _with_modulus(n: int, other: int) -> ShownKey | None:
    bits = n.bit_length()
    if other.bit_length() * 2 <= bits + 64 and rsa.prove_factor(n, other):
        return shown.rsa_private(rsa.RsaNumbers(n, _USUAL_EXPONENT, None, other))
    if other.bit_length() > bits - 64:
        return shown.rsa_private(rsa.RsaNumbers(n, _USUAL_EXPONENT, other))
    return None


def _elliptic(found: Sequence[Spelled], secret: Spelled) -> Iterator[ShownKey]:
    """The scalar or seed behind the name, and the point, coordinate or key that it derives."""
    others = {n.raw for n in found}
    values = {n.value for n in found}
    for curve in ec.CURVES.values():
        if curve.size - 2 <= len(secret.raw) <= curve.size + 1:
            yield from _on_curve(curve, secret.value, others, values)
    for name, algorithm in edwards.ALGORITHMS.items():
        if len(secret.raw) == algorithm.size:
            public = edwards.public_key(name, secret.raw)
            if public in others and (key := shown.ed_private(name, secret.raw, public)):
                yield key


def _on_curve(
    curve: ec.Curve, d: int, others: AbstractSet[bytes], values: AbstractSet[int]
) -> Iterator[ShownKey]:
    if not 1 <= d < curve.order:
        return
    point = ec.public_point(curve, d)
    x = int.from_bytes(point[1 : 1 + curve.size], "big")
    if (point in others or x in values) and (key := shown.ec_private(curve, d, point)):
        yield key


def _dsa(found: Sequence[Spelled]) -> Iterator[ShownKey]:
    """x, y, p, q, g (``openssl dsa -text``) or p, q, g, y, x (``openssl asn1parse``)."""
    for i in range(len(found) - _DSA_NUMBERS + 1):
        a, b, c, d, e = (n.value for n in found[i : i + _DSA_NUMBERS])
        for x, y, p, q, g in ((a, b, c, d, e), (e, d, a, b, c)):
            proven = dsa.prove(dsa.DsaNumbers(p, q, g, x, y))
            if proven and (key := shown.dsa_private(p, q, g, y, x)):
                yield key
