"""Big-endian scalars and seeds at any byte, told by the few bytes that stand before them.

Rules enforced here:

1. A prefix alone is nothing: it only says where to look, and bytes that do not look random are
   passed over.
2. C and numpy find the same places.

The prefixes: DER OCTET STRING and INTEGER, SSH strings and mpints (RFC 4251), arrays of an HPROF
heap dump (length, then the type: 8 byte, 10 int), s-expressions of libgcrypt in memory (type,
length) and on disk, and uncompressed points, whose X is a public half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE
from lockgate.scan.search.search import BlockView
from lockgate.scan.search.secret_windows import (
    LIMBS_521,
    TOLD,
    Windows,
    from_big_endian,
    rows_look_random,
)
from lockgate.scan.search.windows import Positions
from lockgate.scan.search.word_table import Rows

_LEAD = 8
_ROOM = 1 << 14


@dataclass(frozen=True, slots=True)
class _Told:
    """Behind ``prefix`` and ``skip`` bytes stand ``size`` bytes."""

    prefix: bytes
    size: int
    skip: int = 0


def _prefixes(size: int) -> Iterator[_Told]:
    """What stands before a secret of ``size`` bytes, or before a point's X."""
    one, point = bytes((size,)), bytes((1 + 2 * size,))
    text = b"\0\0\0"
    for prefix in (b"\x04" + one, b"\x02" + one, text + one, text + one + b"\x08",
                   b"d\x01" + one + b"\0", f"d{size}:".encode(),
                   b"\x04" + (b"\x81" if size > 63 else b"") + point + b"\x04",
                   text + point + b"\x04", text + point + b"\x08\x04"):  # fmt: skip
        yield _Told(prefix, size)
    yield _Told(text + bytes((-(-size // 4),)) + b"\x0a", size, skip=-size % 4)
    if size < 66:
        more = bytes((size + 1,))
        for prefix in (b"\x02" + more + b"\0", text + more + b"\0"):
            yield _Told(prefix, size)
        yield _Told(b"d\x01" + more + b"\0", size, skip=1)
        yield _Told(f"d{size + 1}:".encode(), size, skip=1)


#: By the last byte, so that C finds them by it. A seed and its public key are one string of 64
#: bytes in SSH.
_TOLD = tuple(
    sorted(
        (*(told for size in (32, 48, 66) for told in _prefixes(size)), _Told(b"\0\0\0\x40", 32)),
        key=lambda told: (told.prefix[-1], told.prefix),
    )
)
_SIZES = np.array([told.size for told in _TOLD])
_SKIPS = np.array([told.skip for told in _TOLD])


def told_windows(view: BlockView) -> dict[int, Windows]:
    """The byte strings that prefixes tell, by size in bytes.

    Rows hold the bytes as they stand; those of 521 bits the little-endian limbs of the number.
    """
    block = view.block
    found = [_behind(block.data, max(start, _LEAD), stop) for start, stop in block.spans()]
    places = np.concatenate([np.zeros((0, 2), np.int64), *found])
    return {size: _windows(view, places, size) for size in (32, 48, 66)}


def _windows(view: BlockView, places: NDArray[np.int64], size: int) -> Windows:
    data = np.frombuffer(view.block.data, np.uint8)
    chosen = places[_SIZES[places[:, 1]] == size]
    positions = np.unique(chosen[:, 0] + _SKIPS[chosen[:, 1]])
    positions = positions[positions + size <= len(data)]
    content = data[positions[:, None] + np.arange(size)]
    rows: Rows = from_big_endian(content, LIMBS_521) if size % 8 else content.view(np.uint64)
    made = Windows.of(rows, view.block.offset + positions, size, TOLD)
    return made.chosen(rows_look_random(rows))


def _behind(data: bytes, start: int, stop: int) -> NDArray[np.int64]:
    """``(position, number of the prefix)`` in ``data[start:stop]``."""
    loop = native.function(
        "lockgate_behind", SIZE, POINTER, SIZE, SIZE, POINTER, POINTER, POINTER, POINTER,
        POINTER, SIZE,
    )  # fmt: skip
    if loop is None:
        return _behind_in_numpy(np.frombuffer(data, np.uint8), start, stop)
    buffer, parts = np.frombuffer(data, np.uint8), []
    while start < stop:
        out = np.empty((_ROOM, 2), np.int64)
        given = (_ENDS.ctypes.data, _FIRST.ctypes.data, _VALUES.ctypes.data, _MASKS.ctypes.data)
        count = loop(buffer.ctypes.data, start, stop, *given, out.ctypes.data, _ROOM)
        kept = out[:count]
        if count == _ROOM:
            start = int(kept[-1, 0])
            kept = kept[kept[:, 0] < start]
        else:
            start = stop
        parts.append(kept)
    return np.concatenate([np.zeros((0, 2), np.int64), *parts])


def _behind_in_numpy(buffer: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.int64]:
    parts = []
    for number, told in enumerate(_TOLD):
        same = np.ones(max(0, stop - start), bool)
        for back, byte in enumerate(reversed(told.prefix), 1):
            same &= buffer[start - back : start - back + len(same)] == byte
        positions: Positions = np.flatnonzero(same) + start
        parts.append(np.column_stack((positions, np.full(len(positions), number))))
    places = np.concatenate(parts)
    return places[np.lexsort((places[:, 1], places[:, 0]))]


_LAST = [told.prefix[-1] for told in _TOLD]
_FIRST = np.array([0, *accumulate(_LAST.count(byte) for byte in range(256))], np.uint16)
_VALUES = np.array([int.from_bytes(told.prefix, "big") for told in _TOLD], np.uint64)
_MASKS = np.array([(1 << 8 * len(told.prefix)) - 1 for told in _TOLD], np.uint64)
_PAIRS = [int.from_bytes(told.prefix[-2:], "big") for told in _TOLD]
_ENDS = np.packbits(np.isin(np.arange(1 << 16), _PAIRS), bitorder="little")
