"""Which bytes may be a random secret: counts that next to no random string fails.

Rules enforced here:

1. A bound loses one of 100,000 random secrets; it is computed from the distribution of the count.
2. Code, tables and text fail by few different bytes, bytes below 128, zeros, or the ten bytes
   that machine code for x86-64 is full of.
3. C and numpy pass the same windows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE
from lockgate.scan.search.windows import Bytes, Positions

#: Bytes of opcodes, prefixes and addresses.
_CODE = (0x00, 0x0F, 0x24, 0x48, 0x4C, 0x85, 0x89, 0x8B, 0xE8, 0xFF)
_FREQUENT = np.isin(np.arange(256), _CODE).astype(np.uint8)
#: Windows gathered at once by numpy.
_CHUNK = 1 << 14


class _Bounds(NamedTuple):
    """What n random bytes have with a chance of 0.99999 for each."""

    distinct: int
    high: int
    zeros: int
    code: int
    least_bits: int
    most_bits: int


#: By number of bytes: the occupancy distribution of n balls in 256 cells, and binomial tails.
_BOUNDS = {
    32: _Bounds(23, 5, 3, 8, 93, 163),
    48: _Bounds(35, 10, 4, 10, 149, 235),
    57: _Bounds(41, 13, 4, 11, 181, 275),
    64: _Bounds(46, 15, 4, 11, 206, 306),
}


def looks_random(data: Bytes, positions: Positions, size: int) -> NDArray[np.bool_]:
    """Which windows of ``size`` (32, 48, 57 or 64) bytes at ``positions`` may be a secret."""
    loop = native.function(
        "lockgate_looks_random", None, POINTER, POINTER, SIZE, SIZE, POINTER, POINTER, POINTER
    )
    bounds = _BOUNDS[size]
    if loop is None:
        parts = [positions[at : at + _CHUNK] for at in range(0, len(positions), _CHUNK)]
        passed = [_looks_random_in_numpy(data, part, size, bounds) for part in parts]
        return np.concatenate([np.zeros(0, bool), *passed])
    positions = np.ascontiguousarray(positions, np.int64)
    limits, out = np.array(bounds, np.int64), np.empty(len(positions), np.uint8)
    loop(
        data.ctypes.data, positions.ctypes.data, len(positions), size, _FREQUENT.ctypes.data,
        limits.ctypes.data, out.ctypes.data,
    )  # fmt: skip
    return out.view(bool)


def _looks_random_in_numpy(
    data: Bytes, positions: Positions, size: int, bounds: _Bounds
) -> NDArray[np.bool_]:
    content = np.sort(data[positions[:, None] + np.arange(size)], axis=1)
    distinct = np.count_nonzero(np.diff(content, axis=1), axis=1) + 1
    bits = np.bitwise_count(content).sum(axis=1, dtype=np.int64)
    passed: NDArray[np.bool_] = (
        (distinct >= bounds.distinct)
        & (np.count_nonzero(content > 127, axis=1) >= bounds.high)
        & (np.count_nonzero(content == 0, axis=1) <= bounds.zeros)
        & (_FREQUENT[content].sum(axis=1, dtype=np.int64) <= bounds.code)
        & (bits >= bounds.least_bits)
        & (bits <= bounds.most_bits)
    )
    return passed
