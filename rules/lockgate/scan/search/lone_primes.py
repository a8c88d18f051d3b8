"""Primes that stand without their modulus, as a program leaves them that has freed it.

Rules enforced here:

1. A number is taken for a prime of an RSA key when it has the size of one (FIPS 186-5, A.1), is a
   probable prime, no safe prime (Diffie-Hellman groups have those) and no public constant, and
   divides no modulus that was seen.
2. The product of two is assumed to be a modulus, no more: :mod:`lockgate.scan.search.rsa_keys`
   looks for what agrees with it. Side by side stand only primes that chance hardly puts so once.
3. Numbers that are not tested and pairs that are not tried are a gap.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

import gmpy2

from lockgate.scan.gaps import Gaps
from lockgate.scan.prove import rsa
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.search.divide import Moduli
from lockgate.scan.search.numbers import Assumed, Number

#: Bits of the primes of keys of 2048 bits and more; a number of half the size may be a field.
_PRIME_BITS = frozenset((1024, 1280, 1536, 1792, 2048, 2560, 3072, 3840, 4096))
#: Bytes between the ends of two numbers that stand side by side.
_REACH = 1024
#: Numbers before one that are looked at for its neighbours.
_RECENT = 64
#: Pairs of random numbers side by side of which one may be expected to be two primes.
_MOST_EXPECTED = 0.01
#: Up to so many primes each is paired with each; of more, with the next few.
_FEW = 12
_NEXT = 4
#: Pairs that are tried, and places of one prime that are noted.
_MOST_PAIRS = 512
_MOST_PLACES = 8


class LonePrimes:
    """The primes among the numbers of a file; ``seconds`` may be spent on finding them."""

    def __init__(self, seconds: float, gaps: Gaps) -> None:
        self._sizes = {bits: _Size(bits) for bits in _PRIME_BITS}
        self._seconds_left = seconds
        self._gaps = gaps

    def note(self, number: Number) -> None:
        """Remember ``number`` if it is such a prime."""
        size = self._sizes.get(number.value.bit_length())
        if size is None or not number.value & 1:
            return
        if self._seconds_left < 0:
            self._gap("no time left to find primes without a modulus")
            return
        begin = time.monotonic()
        size.note(number)
        self._seconds_left -= time.monotonic() - begin

    def products(self, moduli: Sequence[int]) -> dict[int, Assumed]:
        """What may be a modulus, by its value.

        ``moduli`` are those that were seen: their primes are left out.
        """
        seen, made = Moduli(moduli), dict[int, Assumed]()
        for size in self._sizes.values():
            for n, assumed in size.products(seen):
                if n not in made and len(made) == _MOST_PAIRS:
                    self._gap("more primes without a modulus than can be paired")
                    return made
                made[n] = min(made.get(n, assumed), assumed)
        return made

    def _gap(self, detail: str) -> None:
        self._gaps.add(Gap(GapReason.BUDGET, detail=detail))


class _Size:
    """The primes of ``bits`` bits, and how many pairs of numbers of that size are neighbours."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._recent: deque[Number] = deque(maxlen=_RECENT)
        self._neighbours = 0
        self._places: Counter[int] = Counter()
        self._primes: list[Number] = []

    def note(self, number: Number) -> None:
        self._neighbours += sum(_distance(number, other) <= _REACH for other in self._recent)
        self._recent.append(number)
        places = self._places.get(number.value, 0)
        if 0 < places < _MOST_PLACES or (not places and _is_prime_of_key(number.value)):
            self._places[number.value] += 1
            self._primes.append(number)

    def products(self, seen: Moduli) -> Iterator[tuple[int, Assumed]]:
        """The products of pairs, some more than once."""
        known = {index for index, _ in seen.divided_by([each.value for each in self._primes])}
        lone = [each for index, each in enumerate(self._primes) if index not in known]
        lone.sort(key=lambda number: (number.place.number, number.offset))
        following = len(lone) if len({each.value for each in lone}) <= _FEW else _NEXT
        for index, first in enumerate(lone):
            for second in lone[index + 1 : index + 1 + following]:
                n = first.value * second.value
                if first.value != second.value and n.bit_length() == 2 * self._bits:
                    distance = _distance(first, second)
                    is_near = distance <= _REACH and self._is_no_chance()
                    yield n, Assumed(distance, is_side_by_side=is_near)

    def _is_no_chance(self) -> bool:
        """Whether hardly a pair of neighbours would be prime if all were random odd numbers.

        Of those one of ``bits * ln(2) / 2`` is prime (the prime number theorem).
        """
        chance = 2 / (self._bits * math.log(2))
        return self._neighbours * chance**2 < _MOST_EXPECTED


def _distance(first: Number, second: Number) -> float:
    """Bytes between two different numbers that are written alike."""
    if (first.place.number, first.format) != (second.place.number, second.format):
        return math.inf
    low, high = (first, second) if first.offset < second.offset else (second, first)
    between = high.offset - (low.offset + low.length)
    return between if between >= 0 and low.value != high.value else math.inf


def _is_prime_of_key(value: int) -> bool:
    return (
        rsa.plausible_modulus(value)  # the same small factors: most numbers end here
        and rsa.is_usable_prime(value)
        and not gmpy2.is_prime(value // 2)
    )
