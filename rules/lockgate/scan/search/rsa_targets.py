"""What windows are compared with: moduli by the size of their primes and of their exponents.

``e * d = 1 + k * phi(n) / g``, and phi(n) is n but for its lower half; so ``M * e * d / n`` is a
whole number less a tiny part, if g divides ``M``. Whether it is so, the two top limbs of d show,
by four multiplications.

Rules enforced here:

1. The primes of a modulus are taken to be of half its bits, as every generator makes them
   (FIPS 186-5, A.1); the range of their top bits follows from the modulus. Primes of unequal
   sizes are found among isolated numbers.
2. What passes is only a candidate; :mod:`lockgate.scan.search.rsa_keys` proves it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lockgate.scan import native
from lockgate.scan.search import windows
from lockgate.scan.search.divide import Moduli
from lockgate.scan.search.windows import Bytes, NearWhole, Positions, Words

_PRIMES_TO_61 = 11 * 13 * 17 * 19 * 23 * 29 * 31 * 37 * 41 * 43 * 47 * 53 * 59 * 61
#: Multiples by which lambda(n) may be less than phi(n), each dividing the one before; the first
#: is divisible by gcd(p-1, q-1) for 995 keys of 1000.
MULTIPLES = (
    2**7 * 3**3 * 5**2 * 7**2 * _PRIMES_TO_61,
    2**5 * 3**3 * 5 * 7 * 11 * 13 * 17 * 19,
    2**4 * 3**2 * 5 * 7,
    2**2 * 3,
    1,
)
#: Beyond this many bits of ``e * M`` two limbs tell too little.
_MOST_BITS = 110
#: Up to so many moduli each window is divided into every one; trees are faster beyond.
_FEW = 32
#: A private exponent is this many bits shorter than its modulus once in 2**32.
_SHORTER = 32
_LOW = (1 << 64) - 1


@dataclass(frozen=True)
class PrimeTarget:
    """The moduli whose primes have ``size`` bytes, and the range of the top 64 bits of these."""

    size: int
    least: int
    most: int
    moduli: tuple[int, ...] = field(repr=False)

    @cached_property
    def _tree(self) -> Moduli:
        return Moduli(self.moduli)

    def divisors(self, buffer: Bytes, positions: Positions) -> Positions:
        """Those windows, coprime to :data:`windows.SIEVED`, that divide one of the moduli."""
        if native.is_loaded() and len(self.moduli) <= _FEW:
            return windows.divisors(buffer, positions, self.size, self.moduli)
        found = self._tree.divided_by(windows.values(buffer, positions, self.size))
        return positions[sorted({index for index, _ in found})]


@dataclass(frozen=True, slots=True)
class ExponentTarget:
    """One key of ``size`` bytes, and the tests of the top bits of its private exponent.

    ``in_bytes`` is for a number of whole bytes, ``in_bits`` for one that begins at the top bit
    of the modulus.
    """

    n: int
    e: int
    size: int
    in_bytes: NearWhole = field(repr=False)
    in_bits: NearWhole = field(repr=False)


def prime_targets(moduli: Iterable[int]) -> list[PrimeTarget]:
    """The moduli by size of their primes."""
    by_size: dict[int, list[int]] = {}
    for n in moduli:
        by_size.setdefault(-(-n.bit_length() // 2), []).append(n)
    return [_prime_target(bits, group) for bits, group in by_size.items()]


def _prime_target(bits: int, moduli: Sequence[int]) -> PrimeTarget:
    size = -(-bits // 8)
    below_top = 8 * (size - 8)
    least = min(n >> bits for n in moduli)
    most = (1 << bits) - 1
    return PrimeTarget(size, least >> below_top, most >> below_top, tuple(moduli))


def exponent_targets(keys: Iterable[tuple[int, int]]) -> Iterator[ExponentTarget]:
    """The tests for (n, e); one whose e is too large for the test is left out."""
    for n, e in keys:
        fitting = [m * e for m in MULTIPLES if (m * e).bit_length() <= _MOST_BITS]
        if fitting:
            size, bits = -(-n.bit_length() // 8), n.bit_length()
            in_bytes = _near_whole(fitting[0], n, 8 * size)
            yield ExponentTarget(n, e, size, in_bytes, _near_whole(fitting[0], n, bits))


def _near_whole(multiple: int, n: int, bits: int) -> NearWhole:
    """The test of the top 128 of ``bits`` bits; what lies below them counts less than one."""
    slack = 4 * multiple << bits - n.bit_length() >> 64
    return NearWhole((multiple << bits + 128) // n, slack)


def may_invert(n: int, e: int, d: int) -> bool:
    """Whether ``d`` looks like ``e``'s inverse modulo phi(n) or lambda(n).

    ``e * d - 1 = k * phi(n) / g`` with a small g, and phi(n) is n less its primes, so that
    ``-e * d * M mod n`` is about as long as the larger prime when g divides M. The primes of
    Diffie-Hellman groups and their halves leave much less.
    """
    bits = n.bit_length()
    if not bits // 2 < d.bit_length() <= bits:
        return False
    rest = (-e * d * MULTIPLES[0] % n).bit_length()
    return bits // 2 - 16 < rest < bits * 7 // 8


class ValuesByBits:
    """Numbers in hand, in such an order that top bits are compared together."""

    def __init__(self, values: Iterable[int]) -> None:
        self._values = sorted(set(values))
        self._tops: dict[int, tuple[int, Words, Words]] = {}

    def likely(self, test: ExponentTarget) -> Iterator[int]:
        """Those whose top bits are as those of the private exponent are."""
        bits = test.n.bit_length()
        first, high, low = self._of_bits(bits)
        # What begins as the modulus does is that number again, or a record like it.
        likely = test.in_bits.passes(high, low) & (high != np.uint64(test.n >> bits - 64))
        yield from (self._values[first + index] for index in np.flatnonzero(likely).tolist())

    def _of_bits(self, bits: int) -> tuple[int, Words, Words]:
        """The first that may be an exponent of such a modulus, and the tops from there on."""
        if bits not in self._tops:
            first = bisect_left(self._values, 1 << bits - _SHORTER)
            stop = bisect_left(self._values, 1 << bits)
            tops = [value >> bits - 128 for value in self._values[first:stop]]
            high = np.array([top >> 64 for top in tops], np.uint64)
            low = np.array([top & _LOW for top in tops], np.uint64)
            self._tops[bits] = first, high, low
        return self._tops[bits]
