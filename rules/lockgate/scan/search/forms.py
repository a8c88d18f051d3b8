"""How programs write a large number in memory, each form turned into little-endian bytes.

Rules enforced here:

1. A form says its word size, which word comes first, and the byte order inside a word; a buffer
   turned by it shows every number of that form as little-endian bytes, at multiples of a word.
2. A place in a turned buffer is told as the place of the same bytes in memory.

Who writes what: little-endian limbs are OpenSSL, GMP, libgcrypt, mbedTLS, wolfSSL and Go on
x86-64; big-endian bytes NSS, DER leftovers, HPROF; words with the highest first Java's
``BigInteger.mag``; swapped limbs any of the former on a big-endian machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockgate.scan.search.windows import Bytes, Positions


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write numbers: words of ``word`` bytes, looked for at multiples of ``stride``."""

    name: str
    word: int
    stride: int
    high_first: bool = False
    swapped: bool = False

    def turned(self, buffer: Bytes) -> Bytes:
        """``buffer``, whose length is a multiple of 8, with numbers little-endian."""
        words = buffer.view(f"<u{self.word}")
        if self.swapped:
            words = words.byteswap()
        if self.high_first:
            words = words[::-1]
        return np.ascontiguousarray(words).view(np.uint8)

    def length(self, size: int) -> int:
        """Bytes of memory that a number of ``size`` bytes takes."""
        return -(-size // self.word) * self.word

    def origin(self, positions: Positions, size: int, total: int) -> Positions:
        """Where the windows at ``positions`` of the turned buffer begin in the buffer itself.

        It is its own inverse.
        """
        return total - positions - self.length(size) if self.high_first else positions


#: Limbs of 64 bits are found as limbs of 32: lowest first, they are the same bytes.
LIMBS = Form("rsa-limbs", word=4, stride=4)
BIG_ENDIAN = Form("rsa-big-endian", word=1, stride=1, high_first=True)
INT_ARRAY = Form("rsa-int-array", word=4, stride=4, high_first=True)

#: Words of other orders, as big-endian machines and some libraries have them.
OTHER_WORDS = (
    Form("rsa-limbs-high-first", word=8, stride=8, high_first=True),
    Form("rsa-limbs-swapped", word=8, stride=8, swapped=True),
    Form("rsa-limbs-32-swapped", word=4, stride=4, swapped=True),
)
FORMS = (LIMBS, BIG_ENDIAN, INT_ARRAY, *OTHER_WORDS)
#: Little-endian bytes at any place, as in a packed structure; only in a deep scan.
UNALIGNED = Form("rsa-little-endian", word=1, stride=1)
