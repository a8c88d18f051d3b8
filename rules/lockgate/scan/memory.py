"""Where memory stands in a dump: addresses to offsets and back.

Rules enforced here:

1. Every answer lies inside the bytes that the dump promises; an address outside has no offset.
2. Regions that touch both in memory and in the file are one, so that a number across their
   border is read whole.
3. Alignment is a property of the address, not of the offset in the file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """``length`` bytes at ``offset`` in the member stood at ``address`` in memory."""

    address: int
    offset: int
    length: int


class MemoryMap:
    """The regions of one dump."""

    def __init__(self, regions: tuple[Region, ...]) -> None:
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
        """The offset of ``length`` bytes at ``address``, None when not wholly in one region."""
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
