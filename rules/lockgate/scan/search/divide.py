"""Which of many numbers divide one of many moduli.

Rule enforced here: the cost per number stays nearly the same for one modulus and for
thousands. The numbers are multiplied together modulo the product of all moduli, and what is
left is taken apart by a remainder tree (Bernstein, "How to find smooth parts of integers",
2004): a modulus that shares no large factor with it has none among the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import gmpy2

#: Up to so many trial divisions no product is made.
_FEW = 1 << 10
#: Bits of the moduli of one tree, so that a flood of them takes time, not memory.
_TREE_BITS = 1 << 23
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
        self._trees = [_levels(part) for part in _parts(self.all, _TREE_BITS)]

    def divided_by(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """``(index in numbers, modulus)`` for every odd number above 1 that divides a modulus."""
        values = [gmpy2.mpz(n if n & 1 else 1) for n in numbers]
        shared: Iterable[tuple[gmpy2.mpz, gmpy2.mpz]] = zip(self.all, self.all, strict=True)
        if len(self.all) * len(values) > _FEW:
            shared = self._shared(values)
        return sorted(
            (index, int(modulus))
            for modulus, factor in shared
            for index, value in enumerate(values)
            if 1 < value <= factor and value < modulus and not factor % value
        )

    def _shared(self, values: Integers) -> Iterator[tuple[gmpy2.mpz, gmpy2.mpz]]:
        """The moduli with a large factor in common with another value, and that factor."""
        once = set(values) - {1}
        least = min((value.bit_length() for value in once), default=2)
        for tree in self._trees:
            for modulus, rest in zip(tree[0], _remainders(tree, tuple(once)), strict=True):
                factor = gmpy2.gcd(modulus, rest // modulus if modulus in once else rest)
                if factor.bit_length() >= least:
                    yield modulus, factor


def _levels(moduli: Integers) -> list[Integers]:
    """The product tree: the moduli, their products by pairs, and so on."""
    levels = [moduli]
    while len(levels[-1]) > 1:
        levels.append(_pairs(levels[-1]))
    return levels


def _remainders(tree: list[Integers], values: Integers) -> Integers:
    """The product of all values modulo the square of each modulus.

    Of the square, so that a modulus that is a value itself can be divided out.
    """
    whole = tree[-1][0] ** 2
    rest = gmpy2.mpz(1)
    for part in _parts(values, whole.bit_length()):
        rest = rest * product(part) % whole
    rests: Integers = [rest]
    for level in reversed(tree[:-1]):
        rests = [rests[i // 2] % modulus**2 for i, modulus in enumerate(level)]
    return rests


def _parts(values: Integers, bits: int) -> Iterator[Integers]:
    """Consecutive values of about ``bits`` bits together."""
    start = held = 0
    for stop, value in enumerate(values, 1):
        held += value.bit_length()
        if held >= bits or stop == len(values):
            yield values[start:stop]
            start, held = stop, 0


def _pairs(level: Integers) -> Integers:
    paired = [a * b for a, b in zip(level[::2], level[1::2], strict=False)]
    return [*paired, level[-1]] if len(level) % 2 else paired
