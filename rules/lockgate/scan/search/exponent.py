"""Private exponents among windows of memory, told by their top limb.

``e * d = 1 + k * phi(n) / g``, and phi(n) is n but for its lower half; so ``M * e * d / n`` is a
whole number less a tiny part, if g divides ``M``. Whether it is so, the top limb of d shows, by
two multiplications of 64 bits.

Rules enforced here:

1. What passes is only a candidate; :mod:`lockgate.scan.search.rsa_keys` proves it.
2. A modulus whose exponent is too large for the test is left out; other searches remain.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.search.limbs import Indexes, Words

#: Divisible by gcd(p-1, q-1), by which lambda(n) is less than phi(n), for 99 keys of 100.
MULTIPLE = 2**5 * 3**3 * 5 * 7 * 11 * 13 * 17 * 19
#: Beyond this many bits of ``e * MULTIPLE`` one limb tells too little.
_MOST_BITS = 48
_HALF = np.uint64(32)
#: What dropping the low halves of both factors costs at most, in units of 2**-64.
_ROUNDING = 1 << 34


class ExponentTest:
    """The test for all moduli of one size."""

    def __init__(self, moduli: Iterable[tuple[int, int]], size: int) -> None:
        """``moduli``: (n, e), each n of ``size`` limbs."""
        self._size = size
        scaled = [
            (e * MULTIPLE, (e * MULTIPLE << 64 * size + 64) // n)
            for n, e in moduli
            if (e * MULTIPLE).bit_length() <= _MOST_BITS
        ]
        self._steps = [
            (np.uint64(k >> 64), np.uint64((k >> 32) & 0xFFFFFFFF), np.uint64(_ROUNDING + 4 * m))
            for m, k in scaled
        ]

    def likely(self, words: Words, starts: Indexes) -> Indexes:
        """Those of the windows at ``starts`` that may hold a private exponent."""
        if not len(starts) or not self._steps:
            return starts[:0]
        tops = words[starts + (self._size - 1)]
        passed: NDArray[np.bool_] = np.zeros(len(starts), bool)
        for whole, part, slack in self._steps:
            # The fraction of M*e*d/n in units of 2**-64, rounded down: a little short of 1.
            fraction = tops * whole + (tops >> _HALF) * part
            passed |= ~fraction <= slack
        return starts[passed]
