"""Where memory stands in a dump: addresses to offsets and back.

Rules enforced here:

1. Every answer lies inside the bytes that the dump promises; an address outside has no offset.
2. Regions that touch both in memory and in the file are one, so that a number across their
   border is read whole.
3. Alignment is a property of the address, not of the offset in the file.
4. No pointer leads into an image of physical memory: pointers are virtual addresses, and page
   tables are not followed. Such a map tells addresses for the report, and no offsets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Bytes of a bitmap that are counted as one.
_BITMAP_STEP = 512


@dataclass(frozen=True, slots=True)
class Region:
    """``length`` bytes at ``offset`` in the member stood at ``address`` in memory."""

    address: int
    offset: int
    length: int


class MemoryMap:
    """The regions of one dump; ``physical`` when their addresses are physical ones."""

    def __init__(self, regions: tuple[Region, ...], *, physical: bool = False) -> None:
        self._physical = physical
        self.regions = tuple(_joined(regions))
        self._addresses = [r.address for r in self.regions]
        self._by_offset = sorted(self.regions, key=lambda r: (r.offset, r.address))
        self._offsets = [r.offset for r in self._by_offset]

    @property
    def stop(self) -> int:
        """The first offset behind all regions."""
        return max((r.offset + r.length for r in self.regions), default=0)

    @property
    def phases(self) -> tuple[int, ...]:
        """Offsets modulo 8 at which addresses divisible by 8 stand."""
        return tuple(sorted({(r.offset - r.address) % 8 for r in self.regions})) or (0,)

    def offset_of(self, address: int, length: int) -> int | None:
        """Where ``length`` bytes stand to which a pointer of the dump leads.

        None when they are not wholly in one region, or the image is one of physical memory.
        """
        if self._physical:
            return None
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        region = self.regions[index]
        inside = address - region.address
        return region.offset + inside if inside + length <= region.length else None

    def address_of(self, offset: int) -> int | None:
        """The address of the byte at ``offset``, None when it belongs to no region."""
        index = bisect_right(self._offsets, offset) - 1
        if index < 0:
            return None
        region = self._by_offset[index]
        inside = offset - region.offset
        return region.address + inside if inside < region.length else None


class PageMap(MemoryMap):
    """An image of physical memory: the pages whose bits are set, one behind the other.

    A bit per page frame, the lowest bit of a byte first, and no list of regions: a filtered
    dump may have millions.
    """

    def __init__(self, bitmap: bytes, page_bytes: int, offset: int = 0) -> None:
        super().__init__((), physical=True)
        self._bits = np.frombuffer(bitmap, np.uint8)
        self._page_bytes = page_bytes
        self._offset = offset
        counts = [
            int(np.bitwise_count(self._bits[at : at + _BITMAP_STEP]).sum(dtype=np.int64))
            for at in range(0, len(bitmap), _BITMAP_STEP)
        ]
        #: How many pages stand before each step, and behind the last one.
        self._before: NDArray[np.int64] = np.cumsum([0, *counts], dtype=np.int64)

    @property
    def pages(self) -> int:
        """How many bits are set."""
        return int(self._before[-1])

    @property
    def stop(self) -> int:
        """The first offset behind all pages."""
        return self._offset + self.pages * self._page_bytes

    @property
    def phases(self) -> tuple[int, ...]:
        """As :attr:`MemoryMap.phases`."""
        return (self._offset % 8,)

    def address_of(self, offset: int) -> int | None:
        """The physical address of the byte at ``offset``, None behind or before the pages."""
        if not self._offset <= offset < self.stop:
            return None
        index, inside = divmod(offset - self._offset, self._page_bytes)
        step = int(np.searchsorted(self._before, index, "right")) - 1
        bits = self._bits[step * _BITMAP_STEP : (step + 1) * _BITMAP_STEP]
        places = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        frame = 8 * step * _BITMAP_STEP + int(places[index - int(self._before[step])])
        return frame * self._page_bytes + inside


def _joined(regions: Iterable[Region]) -> Iterator[Region]:
    """Regions by address; those that follow each other in memory and in the file made one."""
    last: Region | None = None
    for region in sorted(regions, key=lambda r: (r.address, r.offset)):
        if last is not None and _follows(last, region):
            last = Region(last.address, last.offset, last.length + region.length)
            continue
        if last is not None:
            yield last
        last = region
    if last is not None:
        yield last


def _follows(low: Region, high: Region) -> bool:
    return (low.address + low.length, low.offset + low.length) == (high.address, high.offset)
