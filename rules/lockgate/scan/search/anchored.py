"""Where the anchors of registered secrets match: every byte of a buffer, in C or numpy.

Rules enforced here:

1. C and numpy give the same positions.
2. A window that does not pass has another tag; what passes is proven elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE, U64
from lockgate.scan.search.limbs import words_of
from lockgate.scan.secrets import MULTIPLIER, TAG_BITS, TAG_BYTES

_Bytes = NDArray[np.uint8]
_Positions = NDArray[np.int64]

#: Tags are looked up by so many top bits first, in a table that stays in the second cache.
_COARSE_BITS = 20
#: Positions, or pairs of them, listed by one call of a loop in C.
_ROOM = 4096


@dataclass(frozen=True, slots=True)
class Tags:
    """A set of tags, as the loops look them up."""

    ordered: NDArray[np.uint32]
    coarse: _Bytes
    fine: _Bytes

    @classmethod
    def of(cls, tags: Iterable[int]) -> Tags:
        """The set of these tags."""
        ordered = np.unique(np.array(list(tags), np.uint32))
        spare = TAG_BITS - _COARSE_BITS
        return cls(ordered, _bits(ordered >> np.uint32(spare), _COARSE_BITS), _bits(ordered, 24))

    def positions(self, data: bytes, first: int, stop: int) -> Iterator[int]:
        """Where in ``data[first:stop]`` eight bytes begin whose tag is in the set."""
        stop = min(stop, len(data) - TAG_BYTES + 1)
        types = SIZE, SIZE, U64, POINTER, POINTER, POINTER, SIZE, POINTER
        loop = native.function("lockgate_anchors", SIZE, POINTER, *types)
        if loop is None:
            yield from self._by_numpy(data, first, stop)
            return
        content = np.frombuffer(data, np.uint8)
        tables = MULTIPLIER, self.coarse.ctypes.data, self.fine.ctypes.data
        out, after = np.empty(_ROOM, np.int64), np.array([first])
        while after[0] < stop:
            given = content.ctypes.data, int(after[0]), stop, *tables, out.ctypes.data, _ROOM
            yield from out[: loop(*given, after.ctypes.data)].tolist()

    def _by_numpy(self, data: bytes, first: int, stop: int) -> Iterator[int]:
        if stop <= first:
            return
        content = data[first : stop + TAG_BYTES - 1]
        found: list[_Positions] = []
        known = np.unpackbits(self.coarse, bitorder="little")
        for phase in range(TAG_BYTES):
            tags = words_of(content, phase) * np.uint64(MULTIPLIER) >> np.uint64(64 - TAG_BITS)
            likely = np.flatnonzero(known[tags >> np.uint64(TAG_BITS - _COARSE_BITS)])
            likely = likely[np.isin(tags[likely], self.ordered)]
            found.append(likely * TAG_BYTES + phase + first)
        yield from np.sort(np.concatenate(found)).tolist()


def _bits(numbers: NDArray[np.uint32], width: int) -> _Bytes:
    """A bit for each of the numbers of ``width`` bits."""
    table = np.zeros(1 << width, np.uint8)
    table[numbers] = 1
    return np.packbits(table, bitorder="little")


def member_runs(
    data: bytes, first: int, stop: int, members: _Bytes, least: int
) -> Iterator[tuple[int, int]]:
    """Runs of at least ``least`` bytes of a set in ``data[first:stop]``, as start and end.

    ``members`` has 256 entries, of which those of the set's bytes are 1.
    """
    types = SIZE, SIZE, POINTER, SIZE, POINTER, SIZE, POINTER
    loop = native.function("lockgate_members", SIZE, POINTER, *types)
    if loop is None:
        yield from _runs_by_numpy(data, first, stop, members, least)
    else:
        yield from _runs_in_c(loop, data, (first, stop), members, least)


def _runs_in_c(
    loop: Callable[..., int], data: bytes, span: tuple[int, int], members: _Bytes, least: int
) -> Iterator[tuple[int, int]]:
    content, (first, stop) = np.frombuffer(data, np.uint8), span
    out, after = np.empty((_ROOM, 2), np.int64), np.array([first])
    while after[0] < stop:
        given = int(after[0]), stop, members.ctypes.data, least, out.ctypes.data, _ROOM
        count = loop(content.ctypes.data, *given, after.ctypes.data)
        yield from map(tuple, out[:count].tolist())


def _runs_by_numpy(
    data: bytes, first: int, stop: int, members: _Bytes, least: int
) -> Iterator[tuple[int, int]]:
    if stop <= first:
        return
    inside = members[np.frombuffer(data, np.uint8, stop - first, first)]
    edges = np.flatnonzero(np.diff(inside, prepend=0, append=0)) + first
    long = edges[1::2] - edges[::2] >= least
    starts, ends = edges[::2][long].tolist(), edges[1::2][long].tolist()
    yield from zip(starts, ends, strict=True)
