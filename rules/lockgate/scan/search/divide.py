"""Which of many numbers divide one of many moduli.

Rule enforced here: the cost per number stays nearly the same for one modulus and for
thousands, by remainder trees (Bernstein, "How to find smooth parts of integers", 2004).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gmpy2

#: Up to this size of their product, dividing it by each number is cheaper than a tree.
_DIRECT_BITS = 1 << 18
Integers = Sequence[gmpy2.mpz]


def product(numbers: Iterable[int]) -> gmpy2.mpz:
    """The product of all numbers, by halves."""
    level: Integers = [gmpy2.mpz(n) for n in numbers] or [gmpy2.mpz(1)]
    while len(level) > 1:
        level = _pairs(level)
    return level[0]


class Moduli:
    """A set of moduli that numbers are tried against."""

    def __init__(self, moduli: Iterable[int]) -> None:
        self.all = tuple(gmpy2.mpz(n) for n in moduli)
        self._product = product(self.all)

    def divided_by(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """``(index in numbers, modulus)`` for every number above 1 that divides a modulus."""
        values = [gmpy2.mpz(n) for n in numbers]
        return [
            (index, int(modulus))
            for index in self._likely(values)
            for modulus in self.all
            if 1 < values[index] < modulus and not modulus % values[index]
        ]

    def _likely(self, values: Integers) -> list[int]:
        """Indexes of numbers that divide the product of all moduli."""
        if not values:
            return []
        if self._product.bit_length() < _DIRECT_BITS:
            return [index for index, value in enumerate(values) if not self._product % value]
        levels: list[Integers] = [values]
        while len(levels[-1]) > 1:
            levels.append(_pairs(levels[-1]))
        remainders = [self._product % levels[-1][0]]
        for level in reversed(levels[:-1]):
            remainders = [remainders[i // 2] % value for i, value in enumerate(level)]
        return [index for index, rest in enumerate(remainders) if not rest]


def _pairs(level: Integers) -> Integers:
    paired = [a * b for a, b in zip(level[::2], level[1::2], strict=False)]
    return [*paired, level[-1]] if len(level) % 2 else paired
