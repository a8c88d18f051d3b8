"""Big-endian numbers with their own length before them, anywhere inside an island.

DER, SSH's mpint, OpenPGP's MPI, libgcrypt's packed expressions and many private layouts write
the length of a number, in bytes or bits, right before it. A length that fits tells a number
from the random bytes around it.

Rules enforced here:

1. The length is the 16 bits before the number, or before its leading zero, in either byte
   order, or one byte behind DER's 0x81 (X.690, 8.1.3.5); only usual sizes of primes and moduli
   count, so that chance makes few.
2. Every number given is odd and looks random.
3. A modulus is the first of the numbers of its key, so that what stands before its length is no
   part of a random number: a zero (SSH, TPM), an algorithm's number (RFC 9580, section 9.1), or
   the head of a long length of DER.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.search import windows
from lockgate.scan.search.forms import BIG_ENDIAN
from lockgate.scan.search.islands import Islands
from lockgate.scan.search.numbers import Number
from lockgate.scan.search.windows import Bytes, Positions

#: Sizes of primes and moduli in bytes: 512 to 8192 bits.
_SIZES = (64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 960, 1024)
_LONG_FORM = 0x81
#: What stands before the length of a modulus.
_BEFORE_MODULI = np.array((0, 1, 2, 3, 0x82), np.uint8)


def announced_numbers(islands: Islands, *, as_moduli: bool = False) -> Iterator[Number]:
    """Every odd number behind its length that looks random; or what may be a modulus of these."""
    buffer = islands.buffer
    if len(buffer) < 4:
        return
    prefixes = buffer[:-1].astype(np.uint16) << 8 | buffer[1:]
    likely = np.flatnonzero(_announcing()[prefixes])
    if as_moduli:
        likely = likely[np.isin(buffer[likely - 1], _BEFORE_MODULI)]
    told = prefixes[likely]
    for size in _SIZES:
        for leading in (0, 1):
            ends = likely[np.isin(told, _lengths(size, leading))] + 2
            firsts = (ends if not leading else ends[buffer[ends % len(buffer)] == 0]) + leading
            for first in _odd_numbers(buffer, firsts, size).tolist():
                place, offset = islands.place(first)
                value = int.from_bytes(buffer[first : first + size].tobytes(), "big")
                yield Number(value, place, offset, size, BIG_ENDIAN.name)


def _odd_numbers(buffer: Bytes, firsts: Positions, size: int) -> Positions:
    inside = firsts[firsts <= len(buffer) - size]
    odd = inside[(buffer[inside + (size - 1)] & 1).astype(bool)]
    return windows.random_looking(buffer, odd, size)


def _lengths(size: int, leading: int) -> list[int]:
    """The 16 bits, as they stand, that announce ``size`` bytes behind ``leading`` zero bytes."""
    told = size + leading
    lengths = [told, told >> 8 | (told & 0xFF) << 8]
    if 0x80 <= told <= 0xFF:
        lengths.append(_LONG_FORM << 8 | told)
    return lengths if leading else [*lengths, 8 * size]


@cache
def _announcing() -> NDArray[np.bool_]:
    """Which 16 bits announce a number of any size."""
    table = np.zeros(1 << 16, bool)
    for size in _SIZES:
        table[_lengths(size, 0) + _lengths(size, 1)] = True
    return table
