"""RSA keys among bare numbers: factors, exponents and CRT values that belong together.

Rules enforced here:

1. A modulus alone, or a prime alone, is never a key. What counts is a factor of a modulus
   that was seen, or an exponent that inverts one. Two primes that no modulus was seen with are a
   key when exponents agree with both, or when they stand side by side; each prime is of one key.
2. Every number that belongs to a proven key is a place of that key.
3. The public exponent is the one seen with the modulus, else one that a private exponent
   agrees with, else the usual one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import gcd

import gmpy2

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import require_time
from lockgate.scan.prove import rsa
from lockgate.scan.report import FindingClass, FindingKind, Gap, GapReason, Proof
from lockgate.scan.search import bignum
from lockgate.scan.search.divide import Moduli
from lockgate.scan.search.numbers import Assumed, Number, NumberPool, unique
from lockgate.scan.search.rsa_targets import ValuesByBits, exponent_targets, may_invert

USUAL_EXPONENT = 65537
#: Public exponents that no key was seen with are taken to be shorter than this.
_LEAST_UNUSUAL_EXPONENT = 1 << 64
#: Numbers that are divided into the moduli together.
_BATCH = 16384


@dataclass(frozen=True, slots=True)
class _Key:
    """A factored modulus."""

    n: int
    e: int
    p: int = field(repr=False)
    q: int = field(repr=False)


def find_rsa_keys(
    numbers: Sequence[Number], pool: NumberPool, gaps: Gaps, deadline: float
) -> Iterator[Sighting]:
    """Every place of every RSA key that ``numbers`` prove with the moduli of ``pool``.

    What they show without telling which key it is is one of the ``gaps``.

    Raises:
        OutOfTimeError: the deadline passed; there may be more.
    """
    by_value: dict[int, list[Number]] = {}
    for number in unique(numbers):
        by_value.setdefault(number.value, []).append(number)
    factored = list(_factored(by_value, pool, deadline))
    bonds = _bonds(factored, by_value, pool, deadline)
    for key in _one_for_each_prime(factored, bonds, pool, gaps):
        require_time(deadline)
        yield from _sightings_of_factored(key, by_value)
    known = {key.n for key in factored}
    keys = [(n, e) for n, e in pool.keys if n not in known]
    yield from _inverted(keys, by_value, deadline)


def _factored(
    by_value: dict[int, list[Number]], pool: NumberPool, deadline: float
) -> Iterator[_Key]:
    least = rsa.MIN_PRIME_BITS
    candidates = [v for v in by_value if v & 1 and v.bit_length() >= least]
    candidates += pool.implied_primes
    seen: set[int] = set()
    for p, n in _divisors(candidates, pool, deadline):
        if n not in seen and rsa.prove_factor(n, p):
            seen.add(n)
            e = pool.exponent_of(n) or pool.implied_primes.get(p, 0)
            e = e or _implied_exponent(n, p, by_value, deadline)
            yield _Key(n, e, p, n // p)


def _divisors(
    candidates: Sequence[int], pool: NumberPool, deadline: float
) -> Iterator[tuple[int, int]]:
    """``(p, n)`` for every candidate and modulus that it divides."""
    moduli = Moduli(pool.moduli)
    for at in range(0, len(candidates), _BATCH):
        require_time(deadline)
        some = candidates[at : at + _BATCH]
        yield from ((some[index], n) for index, n in moduli.divided_by(some))


def _implied_exponent(n: int, p: int, values: Iterable[int], deadline: float) -> int:
    """The small public exponent that a private exponent among ``values`` inverts."""
    q = n // p
    for d in values:
        if not (d & 1 and n.bit_length() // 2 < d.bit_length() <= n.bit_length()):
            continue
        require_time(deadline)
        if gcd(d, p - 1) == 1:
            e = int(gmpy2.invert(d, p - 1))
            if 3 <= e < _LEAST_UNUSUAL_EXPONENT and (e * d - 1) % (q - 1) == 0:
                return e
    return USUAL_EXPONENT


class _Bond(IntEnum):
    """What holds two primes together that no modulus was seen with, the strongest first."""

    PRIVATE_EXPONENT = 0
    SIDE_BY_SIDE_WITH_EXPONENTS = 1
    SIDE_BY_SIDE = 2
    EXPONENTS = 3


def _bonds(
    keys: Iterable[_Key], by_value: dict[int, list[Number]], pool: NumberPool, deadline: float
) -> dict[int, _Bond | None]:
    """By assumed modulus, what holds its primes together."""
    bonds = {}
    for key in keys:
        if key.n in pool.assumed:
            require_time(deadline)
            bonds[key.n] = _bond(key, by_value, pool.assumed[key.n])
    return bonds


def _one_for_each_prime(
    keys: Sequence[_Key], bonds: dict[int, _Bond | None], pool: NumberPool, gaps: Gaps
) -> Iterator[_Key]:
    """All keys whose modulus was seen, and of those that are assumed one for each prime."""
    yield from (key for key in keys if key.n not in bonds)
    assumed = [key for key in keys if key.n in bonds]
    assumed.sort(key=lambda key: pool.assumed[key.n].distance)
    taken: set[int] = set()
    for bond in _Bond:
        free = [k for k in assumed if bonds[k.n] == bond and taken.isdisjoint((k.p, k.q))]
        for key in _unambiguous(free, gaps) if bond == _Bond.EXPONENTS else free:
            if taken.isdisjoint((key.p, key.q)):
                taken |= {key.p, key.q}
                yield key


def _bond(key: _Key, by_value: dict[int, list[Number]], assumed: Assumed) -> _Bond | None:
    """The strongest; None: dP and dQ tell one prime each, and that is not enough for a pair."""
    if _privates(key, by_value):
        return _Bond.PRIVATE_EXPONENT
    d = _private_exponent(key)
    has_exponents = {d % (key.p - 1), d % (key.q - 1)} <= by_value.keys()
    if assumed.is_side_by_side:
        return _Bond.SIDE_BY_SIDE_WITH_EXPONENTS if has_exponents else _Bond.SIDE_BY_SIDE
    return _Bond.EXPONENTS if has_exponents else None


def _unambiguous(keys: Sequence[_Key], gaps: Gaps) -> list[_Key]:
    """Those whose primes no other has; it is a gap that there are others."""
    partners = Counter(prime for key in keys for prime in (key.p, key.q))
    alone = [key for key in keys if partners[key.p] == partners[key.q] == 1]
    if len(alone) < len(keys):
        detail = "RSA primes with their exponents and no modulus: it is not known which are a pair"
        gaps.add(Gap(GapReason.UNDECIDED, detail=detail))
    return alone


def _privates(key: _Key, by_value: dict[int, list[Number]]) -> list[int]:
    return [d for d in by_value if d.bit_length() > 64 and _inverts(key, d)]


def _sightings_of_factored(key: _Key, by_value: dict[int, list[Number]]) -> Iterator[Sighting]:
    privates = _privates(key, by_value)
    numbers = _complete(key, privates[0] if privates else None, by_value)
    proof = rsa.prove(numbers)
    if not proof:
        return
    present = {numbers.p, numbers.q} & by_value.keys()
    if not present:
        proof = (Proof.RSA_CRT_EXPONENT, *proof)
    elif len(present) == 1:
        proof = (Proof.RSA_DIVIDES, *proof)
    parts = {key.p, key.q, numbers.dp, numbers.dq, numbers.qinv, *privates}
    for value in filter(None, parts):
        for number in by_value.get(value, ()):
            yield _sighting(number, key.n, key.e, proof)


def _private_exponent(key: _Key) -> int:
    """The inverse of e; 0 when it has none, so that it is not this key's exponent."""
    order = (key.p - 1) * (key.q - 1)
    return int(gmpy2.invert(key.e, order)) if gcd(key.e, order) == 1 else 0


def _inverts(key: _Key, d: int) -> bool:
    return (key.e * d - 1) % (key.p - 1) == 0 == (key.e * d - 1) % (key.q - 1)


def _complete(key: _Key, d: int | None, present: Iterable[int]) -> rsa.RsaNumbers:
    """The key with those derived numbers that are present, in the order of p and q seen."""
    values = set(present)
    exponent = d if d is not None else _private_exponent(key)
    for p, q in ((key.p, key.q), (key.q, key.p)):
        dp, dq, qinv = exponent % (p - 1), exponent % (q - 1), pow(q, -1, p)
        if qinv in values:
            break
    return rsa.RsaNumbers(
        key.n,
        key.e,
        d,
        p,
        q,
        dp if dp in values else None,
        dq if dq in values else None,
        qinv if qinv in values else None,
    )


def _inverted(
    keys: Sequence[tuple[int, int]], by_value: dict[int, list[Number]], deadline: float
) -> Iterator[Sighting]:
    """Keys of which only the private exponent is left."""
    values = ValuesByBits(value for value in by_value if value & 1)
    for test in exponent_targets(keys):
        require_time(deadline)
        for d in values.likely(test):
            proof = rsa.prove_inverts(test.n, test.e, d) if may_invert(test.n, test.e, d) else ()
            # dP inverts e modulo the prime p: true, and no key.
            if proof and not gmpy2.is_prime(test.n):
                for number in by_value[d]:
                    yield _sighting(number, test.n, test.e, proof)


def _sighting(number: Number, n: int, e: int, proof: tuple[Proof, ...]) -> Sighting:
    if number.format == bignum.FORMAT:
        proof = (*proof, Proof.BIGNUM_STRUCTURE)
    evidence = Evidence(
        format=number.format,
        kind=FindingKind.PRIVATE_KEY,
        class_=FindingClass.PRIVATE,
        algorithm="RSA",
        bits=n.bit_length(),
        fingerprint=rsa.fingerprint(n, e),
        offset=number.offset,
        length=number.length,
        proof=proof,
    )
    return Sighting(evidence, number.place)
