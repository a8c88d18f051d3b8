"""LiME images, and those of AVML without compression, which are the same.

The layout is LiME's documentation of its ``lime`` format: for each range of physical memory a
header of 32 bytes (magic ``EMiL``, version 1, first and last address, 8 bytes reserved) and the
bytes.

Rules enforced here:

1. Headers are followed from range to range; where another follows none, the rest is a gap.
2. Addresses are physical: page tables are not followed. A packed image too large to be held is
   searched without addresses; ranges and headers are multiples of eight bytes, so that its
   alignment is right all the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import NO_MEMORY, Mapped
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

HEADER = struct.Struct("<4sIQQQ")
_MAGIC, _VERSION = b"EMiL", 1


@dataclass(frozen=True, slots=True)
class Lime:
    """A LiME image of physical memory."""

    name: str = "LiME"

    def recognises(self, head: bytes) -> bool:
        """A whole first header."""
        return _range(head) is not None

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """All ranges, read by hopping from header to header."""
        access = stream.random_access()
        if access is None:
            return NO_MEMORY, ()
        regions, problems = list[Region](), list[Problem]()
        for item in _regions(access):
            if isinstance(item, Problem):
                problems.append(item)
            elif len(regions) >= limits.regions:
                detail = f"more than {limits.regions} ranges"
                problems.append(Problem(GapReason.MEMBER_LIMIT, detail))
                break
            else:
                regions.append(item)
        return MemoryMap(tuple(regions), physical=True), problems


def _regions(access: RandomAccess) -> Iterator[Region | Problem]:
    offset = 0
    while offset < access.size:
        head = access.read_at(offset, HEADER.size)
        found = _range(head)
        if found is None:
            if head.strip(b"\0"):
                detail, rest = "a range without its header", access.size - offset
                yield Problem(GapReason.DAMAGED, detail, None, offset, rest)
            return
        address, length = found
        offset += HEADER.size
        yield Region(address, offset, length)
        offset += length


def _range(head: bytes) -> tuple[int, int] | None:
    """Address and length of the range whose header ``head`` is."""
    if len(head) < HEADER.size:
        return None
    magic, version, first, last, _ = HEADER.unpack_from(head)
    if (magic, version) != (_MAGIC, _VERSION) or last < first:
        return None
    return first, last - first + 1
