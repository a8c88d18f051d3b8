"""Windows crash dumps of a whole machine (``PAGEDU64``, ``PAGEDUMP``): physical pages.

The layout is that of DUMP_HEADER64 and of the bitmap header behind it, as the parsers of
kdmp-parser, rekall and volatility3 describe it.

Rules enforced here:

1. Type 1 (full) lists runs of pages, which follow one another in the file; types 2, 5 and 6
   (kernel and full with a bitmap) have one bit for each page frame.
2. Another type, and all but full dumps of 32-bit machines, have no map: a gap says so, and all
   is searched at the alignment of pages, which every type keeps.
3. Addresses are physical: page tables are not followed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import NO_MEMORY, Mapped, Reach, bounded
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, PageMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_PAGE = 4096
_FULL, _BITMAPS = 1, frozenset({2, 5, 6})


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the headers of one word size hold what matters here (bytes)."""

    header: int
    type_at: int
    runs_at: int
    runs_form: str
    run_form: str


_WIDE = _Layout(0x2000, 0xF98, 0x88, "<I12x", "<QQ")
_NARROW = _Layout(0x1000, 0xF88, 0x64, "<I4x", "<II")
_BITMAP_HEADER = struct.Struct("<4s4s24xQQQ")


@dataclass(frozen=True, slots=True)
class PageDump:
    """A crash dump of a 32- or 64-bit machine."""

    name: str = "Windows crash dump"

    def recognises(self, head: bytes) -> bool:
        """Either signature."""
        return head.startswith((b"PAGEDU64", b"PAGEDUMP"))

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """The runs, or the bitmap."""
        layout = _WIDE if stream.peek(8).endswith(b"64") else _NARROW
        header = stream.peek(layout.header)
        if len(header) < layout.header:
            return NO_MEMORY, (Problem(GapReason.TRUNCATED, "the header ends early"),)
        kind = int.from_bytes(header[layout.type_at : layout.type_at + 4], "little")
        if kind == _FULL:
            return _runs(layout, header, limits)
        if kind in _BITMAPS and layout is _WIDE:
            return _bitmap(Reach(stream), limits)
        detail = f"crash dump of type {kind}: searched without a map of its pages"
        return NO_MEMORY, (Problem(GapReason.UNSUPPORTED, detail),)


def _runs(layout: _Layout, header: bytes, limits: Limits) -> Mapped:
    problems: list[Problem] = []
    (count,) = struct.unpack_from(layout.runs_form, header, layout.runs_at)
    first = layout.runs_at + struct.calcsize(layout.runs_form)
    width = struct.calcsize(layout.run_form)
    count = bounded(count, min(limits.regions, (layout.type_at - first) // width), "runs", problems)
    regions, offset = [], layout.header
    for frame, pages in struct.iter_unpack(layout.run_form, header[first : first + count * width]):
        regions.append(Region(frame * _PAGE, offset, pages * _PAGE))
        offset += pages * _PAGE
    return MemoryMap(tuple(regions), physical=True), problems


def _bitmap(reach: Reach, limits: Limits) -> Mapped:
    problems: list[Problem] = []
    head = reach.read(_WIDE.header, _BITMAP_HEADER.size)
    if len(head) < _BITMAP_HEADER.size:
        return NO_MEMORY, (reach.short("bitmap header", _WIDE.header),)
    signature, valid, first, present, frames = _BITMAP_HEADER.unpack(head)
    if signature not in {b"SDMP", b"FDMP"} or valid != b"DUMP":
        return NO_MEMORY, (Problem(GapReason.DAMAGED, "the bitmap has no header"),)
    frames = bounded(frames, limits.frames, "page frames", problems)
    place = _WIDE.header + _BITMAP_HEADER.size
    bitmap = reach.read(place, (frames + 7) // 8)
    if 8 * len(bitmap) < frames:
        problems.append(reach.short("bitmap", place))
    pages = PageMap(bitmap, _PAGE, first)
    if not problems and pages.pages != present:
        detail = f"{present} pages are promised and {pages.pages} are listed"
        problems.append(Problem(GapReason.DAMAGED, detail))
    return pages, problems
