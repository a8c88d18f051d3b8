"""The pool of numbers that a file has shown: moduli, points, and possible factors.

Rules enforced here:

1. A modulus is odd and has no small factor; the pool is bounded, and what it refuses is told.
2. Numbers that may be secret never show in a repr.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lockgate.scan.prove import rsa
from lockgate.scan.walk import Place

#: Points kept; trust stores hold some hundred.
_MOST_POINTS = 100_000
#: Smaller moduli are not looked for (bits).
_LEAST_BITS = 512


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


class NumberPool:
    """What all members together have shown."""

    def __init__(self, most_moduli: int) -> None:
        self._most_moduli = most_moduli
        self._exponents: dict[int, int] = {}
        self.points: set[bytes] = set()
        self.factors: list[Number] = []
        self.is_full = False

    @property
    def moduli(self) -> tuple[int, ...]:
        """All possible moduli."""
        return tuple(self._exponents)

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

    def add_point(self, point: bytes) -> None:
        """Remember a public EC point as ``x || y``, or a raw Ed25519 public key."""
        if len(self.points) < _MOST_POINTS:
            self.points.add(point)
        else:
            self.is_full = True

    def add_factor(self, number: Number) -> None:
        """Remember a bare number that may divide a modulus."""
        if number.value & 1 and len(self.factors) < self._most_moduli:
            self.factors.append(number)
