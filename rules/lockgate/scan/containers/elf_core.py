"""ELF core dumps (System V ABI chapter 5, elf(5), core(5)): the map of memory.

Rules enforced here:

1. Only ``PT_LOAD`` counts; a region whose ``p_filesz`` is smaller than ``p_memsz`` was not
   dumped to its end on purpose, which is no gap.
2. A region that lies beyond the end of the data, overlaps another, or cannot be listed is a
   gap; all bytes are scanned raw in any case.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lockgate.scan.containers.container import Problem
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_ET_CORE, _PT_LOAD, _PN_XNUM = 4, 1, 0xFFFF
#: Program headers are looked for in this much of the front of the file (bytes).
_FRONT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one ELF class and byte order writes headers."""

    order: str
    wide: bool

    @property
    def header(self) -> str:
        """e_type to e_shstrndx."""
        return self.order + ("HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH")

    @property
    def segment(self) -> str:
        """One program header."""
        return self.order + ("IIQQQQQQ" if self.wide else "IIIIIIII")

    def region(self, segment: tuple[int, ...]) -> Region:
        """The region of one ``PT_LOAD`` header."""
        offset, address = (segment[2], segment[3]) if self.wide else (segment[1], segment[2])
        return Region(address, offset, segment[5] if self.wide else segment[4])


def recognises(head: bytes) -> bool:
    """Whether ``head`` starts an ELF file of type ET_CORE."""
    if len(head) < 18 or head[:4] != b"\x7fELF" or head[5] not in {1, 2}:
        return False
    return int.from_bytes(head[16:18], "little" if head[5] == 1 else "big") == _ET_CORE


def read_map(stream: Stream, most_regions: int) -> tuple[MemoryMap, tuple[Problem, ...]]:
    """The memory map of the core that starts here; consumes nothing."""
    layout = _layout(stream.peek(64))
    head = stream.peek(16 + struct.calcsize(layout.header)) if layout else b""
    if layout is None or len(head) < 16 + struct.calcsize(layout.header):
        return MemoryMap(()), (Problem(GapReason.DAMAGED, "ELF header is broken"),)
    fields = struct.unpack_from(layout.header, head, 16)
    place, width, count = fields[4], fields[8], fields[9]
    if width != struct.calcsize(layout.segment) or place >= _FRONT_BYTES:
        return MemoryMap(()), (Problem(GapReason.DAMAGED, "program headers out of reach"),)
    problems: list[Problem] = []
    if count == _PN_XNUM:
        count = _count_in_front(stream, layout, place, width)
    if count > most_regions:
        problems.append(Problem(GapReason.MEMBER_LIMIT, f"{count} program headers"))
        count = most_regions
    table = stream.peek(place + count * width)[place:]
    if len(table) < count * width:
        problems.append(Problem(GapReason.TRUNCATED, "program headers end early", None, place))
        table = table[: len(table) // width * width]
    regions = tuple(_loads(layout, table))
    problems += _overlaps(regions)
    return MemoryMap(regions), tuple(problems)


def _layout(ident: bytes) -> _Layout | None:
    if len(ident) < 16 or ident[4] not in {1, 2}:
        return None
    return _Layout("<" if ident[5] == 1 else ">", wide=ident[4] == 2)


def _count_in_front(stream: Stream, layout: _Layout, place: int, width: int) -> int:
    """How many headers stand before the first byte of content (``e_phnum`` is full).

    The true count is in ``sh_info`` of a section header, which the kernel writes behind all
    content (core(5)): out of reach for a reader in order. Headers end where content begins.
    """
    table = stream.peek(_FRONT_BYTES)[place:]
    first = _FRONT_BYTES
    count = 0
    for segment in struct.iter_unpack(layout.segment, table[: len(table) // width * width]):
        if place + (count + 1) * width > first:
            break
        offset = segment[2] if layout.wide else segment[1]
        if segment[0] == _PT_LOAD and offset:
            first = min(first, offset)
        count += 1
    return count


def _loads(layout: _Layout, table: bytes) -> Iterator[Region]:
    for segment in struct.iter_unpack(layout.segment, table):
        region = layout.region(segment)
        if segment[0] == _PT_LOAD and region.length:
            yield region


def _overlaps(regions: tuple[Region, ...]) -> list[Problem]:
    """One problem for the first overlap, in memory or in the file."""
    by_offset = sorted((r.offset, r.length) for r in regions)
    by_address = sorted((r.address, r.length) for r in regions)
    for starts in (by_offset, by_address):
        for (low, length), (high, _) in pairwise(starts):
            if low + length > high:
                return [Problem(GapReason.DAMAGED, "regions of the core overlap")]
    return []
