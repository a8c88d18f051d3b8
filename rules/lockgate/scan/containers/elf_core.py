"""ELF core dumps (System V ABI chapter 5, elf(5), core(5)): the map of memory.

Cores of processes by kernels and debuggers, and images of machines by QEMU
(``dump-guest-memory``), VirtualBox (``debugvm dumpvmcore``), kdump and makedumpfile ``-E``.

Rules enforced here:

1. Only ``PT_LOAD`` counts; a region whose ``p_filesz`` is smaller than ``p_memsz`` was not
   dumped to its end on purpose, which is no gap.
2. A region that lies beyond the end of the data, overlaps another in the memory of a process,
   or cannot be listed is a gap; all bytes are scanned raw in any case. Images of machines tell
   physical addresses too, and have aliases.
3. Where no virtual address is told (all zero, or all the same as the physical ones), the
   addresses are physical.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import NO_MEMORY, Mapped, Reach, bounded
from lockgate.scan.containers.xen_core import xen_regions
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_ET_CORE, _PT_LOAD, _PT_NOTE, _PN_XNUM = 4, 1, 4, 0xFFFF


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

    @property
    def section(self) -> str:
        """One section header."""
        return self.order + ("IIQQQQIIQQ" if self.wide else "IIIIIIIIII")

    def load(self, segment: tuple[int, ...]) -> _Load:
        """The fields of one program header, which the two classes order differently."""
        first = 2 if self.wide else 1
        offset, virtual, physical, length = segment[first : first + 4]
        return _Load(offset, virtual, physical, length)


@dataclass(frozen=True, slots=True)
class _Load:
    """One ``PT_LOAD`` segment: where it stands in the file and in memory."""

    offset: int
    virtual: int
    physical: int
    length: int


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of the ELF header that matter here."""

    layout: _Layout
    segments_at: int
    sections_at: int
    segment_bytes: int
    segments: int
    sections: int
    names_index: int


@dataclass(frozen=True, slots=True)
class ElfCore:
    """An ELF file of type ET_CORE, of any class and byte order."""

    name: str = "ELF core"

    def recognises(self, head: bytes) -> bool:
        """Magic, byte order and type; the version is not asked, VirtualBox writes 0."""
        if len(head) < 18 or head[:4] != b"\x7fELF" or head[5] not in {1, 2}:
            return False
        return int.from_bytes(head[16:18], "little" if head[5] == 1 else "big") == _ET_CORE

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """The regions of all segments, or the pages of a Xen core, which has none."""
        header = _read_header(stream.peek(64))
        if header is None:
            return NO_MEMORY, (Problem(GapReason.DAMAGED, "ELF header is broken"),)
        layout = header.layout
        width = struct.calcsize(layout.segment)
        if header.segments and header.segment_bytes != width:
            return NO_MEMORY, (Problem(GapReason.DAMAGED, "program headers of a wrong size"),)
        reach, problems = Reach(stream), list[Problem]()
        count = bounded(
            _count(header, reach, limits.regions), limits.regions, "program headers", problems
        )
        table = reach.read(header.segments_at, count * width)
        if len(table) < count * width:
            problems.append(reach.short("program headers", header.segments_at))
        table = table[: len(table) // width * width]
        loads = list(_loads(layout, table))
        if not loads and header.sections:
            return _xen_map(header, reach, limits, problems)
        if not problems and not _is_of_core(layout, table):
            problems.append(Problem(GapReason.DAMAGED, "no program headers of a core"))
        return _memory_map(loads, problems), problems


def _read_header(head: bytes) -> _Header | None:
    if len(head) < 16 or head[4] not in {1, 2}:
        return None
    layout = _Layout("<" if head[5] == 1 else ">", wide=head[4] == 2)
    if len(head) < 16 + struct.calcsize(layout.header):
        return None
    fields = struct.unpack_from(layout.header, head, 16)
    return _Header(layout, fields[4], fields[5], fields[8], fields[9], fields[11], fields[12])


def _count(header: _Header, reach: Reach, most: int) -> int:
    """How many program headers there are; ``most`` and one when there are more.

    When ``e_phnum`` is full, the true count is in ``sh_info`` of the first section header
    (elf(5)); the kernel writes that behind all content, where a damaged or packed core may not
    let it be read. Then headers end where content begins.
    """
    if header.segments != _PN_XNUM:
        return header.segments
    layout = header.layout
    section = reach.read(header.sections_at, struct.calcsize(layout.section))
    if header.sections_at and len(section) == struct.calcsize(layout.section):
        return int(struct.unpack(layout.section, section)[7])
    return _count_before_content(header, reach, most)


def _count_before_content(header: _Header, reach: Reach, most: int) -> int:
    form = header.layout.segment
    place, width = header.segments_at, struct.calcsize(form)
    first, count = 1 << 64, 0
    while place + (count + 1) * width <= first and count <= most:
        table = reach.read(place + count * width, width)
        if len(table) < width:
            break
        segment = struct.unpack(form, table)
        load = header.layout.load(segment)
        if segment[0] == _PT_LOAD and load.offset:
            first = min(first, load.offset)
        count += 1
    return count


def _is_of_core(layout: _Layout, table: bytes) -> bool:
    """Whether there is memory or a note; even a core without any memory has notes."""
    segments = struct.iter_unpack(layout.segment, table)
    return any(segment[0] in {_PT_LOAD, _PT_NOTE} for segment in segments)


def _loads(layout: _Layout, table: bytes) -> Iterator[_Load]:
    for segment in struct.iter_unpack(layout.segment, table):
        load = layout.load(segment)
        if segment[0] == _PT_LOAD and load.length:
            yield load


def _memory_map(loads: Sequence[_Load], problems: list[Problem]) -> MemoryMap:
    physical = any(load.physical for load in loads) and (
        all(load.virtual in {0, load.physical} for load in loads)
    )
    regions = tuple(
        Region(load.physical if physical else load.virtual, load.offset, load.length)
        for load in loads
    )
    if not any(load.physical for load in loads):
        problems += _overlaps(regions)
    return MemoryMap(regions, physical=physical)


def _overlaps(regions: Sequence[Region]) -> list[Problem]:
    """One problem for the first two that hold the same addresses."""
    for low, high in pairwise(sorted(regions, key=lambda r: (r.address, r.length))):
        if low.address + low.length > high.address:
            return [Problem(GapReason.DAMAGED, "regions of the core overlap")]
    return []


def _xen_map(header: _Header, reach: Reach, limits: Limits, problems: list[Problem]) -> Mapped:
    form = header.layout.section
    width = struct.calcsize(form)
    table = reach.read(header.sections_at, header.sections * width)
    sections = list(struct.iter_unpack(form, table[: len(table) // width * width]))
    if header.names_index >= len(sections):
        return NO_MEMORY, [*problems, reach.short("section headers", header.sections_at)]
    regions = xen_regions(sections, header.names_index, reach, limits, problems)
    return MemoryMap(tuple(regions), physical=True), problems
