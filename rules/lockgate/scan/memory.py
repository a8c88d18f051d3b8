"""Where memory stands in a dump: addresses to offsets and back.

Rules enforced here:

1. Every answer lies inside the bytes that the dump promises; an address outside has no offset.
2. Alignment is a property of the address, not of the offset in the file.
"""

from __future__ import annotations

from bisect import bisect_right
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
        self.regions = tuple(sorted(regions, key=lambda r: (r.address, r.offset)))
        self._addresses = [r.address for r in self.regions]
        self._by_offset = sorted(regions, key=lambda r: (r.offset, r.address))
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

    def seams(self) -> tuple[tuple[Region, Region], ...]:
        """Pairs of regions that touch in memory and do not follow each other in the file."""
        pairs = zip(self.regions, self.regions[1:], strict=False)
        return tuple(
            (low, high)
            for low, high in pairs
            if low.address + low.length == high.address and low.offset + low.length != high.offset
        )
