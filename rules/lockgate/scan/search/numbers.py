"""The pool of numbers that a file has shown: moduli, and possible private numbers.

Rules enforced here:

1. A modulus is odd and has no small factor; the pool is bounded, and what it refuses is told.
   Numbers that only look like one are no records of a file: not many begin or end alike.
2. Moduli that a structure announced (a certificate, a key, the registry) are kept apart from
   numbers that only look like one, so that no flood of the latter pushes a real one out.
3. Numbers that may be secret never show in a repr.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from typing import NamedTuple

from lockgate.scan.prove import rsa
from lockgate.scan.search.windows import SIEVED
from lockgate.scan.walk import Place

#: Smaller moduli are not looked for (bits).
_LEAST_BITS = 512
#: Moduli are random: of thousands hardly nine have their first or last 24 bits in common. One
#: modulus may be read in some ways, with bytes before or behind it.
_EDGE_BITS = 24
_MOST_ALIKE = 8
#: Public exponents that programs use, the most frequent first.
USUAL_EXPONENTS = (65537, 3, 17, 257)


@dataclass(frozen=True, slots=True)
class Number:
    """A number at a place; ``format`` names how it was written there."""

    value: int = field(repr=False)
    place: Place
    offset: int
    length: int
    format: str


def unique(numbers: Iterable[Number]) -> list[Number]:
    """The numbers, each place told once, by the first that names it."""
    first: dict[tuple[int, int, int], Number] = {}
    for number in numbers:
        first.setdefault((number.place.number, number.offset, number.length), number)
    return list(first.values())


class Assumed(NamedTuple):
    """A modulus that is only the product of two primes, ``distance`` bytes from each other."""

    distance: float
    is_side_by_side: bool


class NumberPool:
    """What all members together have shown."""

    def __init__(self, most_moduli: int) -> None:
        self._most_moduli = most_moduli
        self._exponents: dict[int, int] = {}
        self._guesses: dict[int, None] = {}
        self._edges: Counter[tuple[int, bool]] = Counter()
        self.factors: list[Number] = []
        #: Numbers that passed a search's test and wait to be put together.
        self.numbers: list[Number] = []
        #: Primes that a CRT exponent among them gives, with their public exponents.
        self.implied_primes: dict[int, int] = {}
        #: Moduli that no one has shown: products of two primes of the file.
        self.assumed: Mapping[int, Assumed] = {}
        self.is_full = False

    @property
    def known(self) -> tuple[int, ...]:
        """The moduli that a structure announced."""
        return tuple(self._exponents)

    @property
    def moduli(self) -> tuple[int, ...]:
        """All possible moduli, announced ones first."""
        return (*self._exponents, *(n for n in self._guesses if n not in self._exponents))

    @property
    def keys(self) -> Iterator[tuple[int, int]]:
        """(n, e) of all moduli; with each usual e where none was seen."""
        for n in self.moduli:
            e = self.exponent_of(n)
            yield from ((n, usual) for usual in ((e,) if e else USUAL_EXPONENTS))

    @property
    def exponents(self) -> frozenset[int]:
        """All public exponents seen with a modulus, and the usual ones."""
        return frozenset((*USUAL_EXPONENTS, *filter(None, self._exponents.values())))

    def exponent_of(self, modulus: int) -> int:
        """The public exponent seen with ``modulus``, 0 when none was."""
        return self._exponents.get(modulus, 0)

    def add_modulus(self, value: int, exponent: int | None) -> None:
        """Remember a possible modulus; ``exponent`` None when none was seen with it."""
        if value in self._exponents:
            if exponent is not None:
                self._exponents[value] = exponent
        elif value.bit_length() < _LEAST_BITS or not rsa.plausible_modulus(value):
            return
        elif len(self._exponents) < self._most_moduli:
            self._exponents[value] = exponent or 0
        else:
            self.is_full = True

    def guess_modulus(self, value: int) -> None:
        """Remember a number that only looks like a modulus."""
        if gcd(value % SIEVED, SIEVED) > 1 or value in self._guesses:
            return
        if not rsa.plausible_modulus(value) or self._begins_like_others(value):
            return
        if len(self._guesses) < self._most_moduli:
            self._guesses[value] = None
        else:
            self.is_full = True

    def assume_moduli(self, products: Mapping[int, Assumed]) -> None:
        """Remember what two primes of the file make."""
        self.assumed = products
        for value in products:
            self.guess_modulus(value)

    def _begins_like_others(self, value: int) -> bool:
        """Whether guesses before began or ended with the same bits: records, not moduli."""
        edges = (value >> value.bit_length() - _EDGE_BITS, True), (value % (1 << _EDGE_BITS), False)
        self._edges.update(edges)
        return any(self._edges[edge] > _MOST_ALIKE for edge in edges)

    def add_factor(self, number: Number) -> None:
        """Remember a bare number that may divide a modulus."""
        if not number.value & 1:
            return
        if len(self.factors) < self._most_moduli:
            self.factors.append(number)
        else:
            self.is_full = True
