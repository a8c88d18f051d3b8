"""Sections of a Xen domain's core (xen/docs/misc/dump-core-format.txt): pages and their frames.

Rules enforced here:

1. ``.xen_pages`` holds the pages; ``.xen_pfn`` or ``.xen_p2m`` names the frame of each in the
   same order, 8 or 16 bytes for each page, the frame first.
2. Frames are read in pieces; pages whose frames follow one another are one region.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import Reach, bounded
from lockgate.scan.limits import Limits
from lockgate.scan.memory import Region
from lockgate.scan.report import GapReason

_PAGE = 4096
_FRAMES = {b".xen_pfn": 8, b".xen_p2m": 16}
_NAMES_BYTES = 1 << 16
_PIECE_BYTES = 1 << 20
_NO_FRAMES = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})


def xen_regions(
    sections: Sequence[tuple[int, ...]],
    names_index: int,
    reach: Reach,
    limits: Limits,
    problems: list[Problem],
) -> list[Region]:
    """The regions of a Xen core, by its ``sections`` as elf(5) lays them out; else none."""
    names = reach.read(sections[names_index][4], _NAMES_BYTES)
    named = {_name(names, section[0]): section for section in sections}
    frames = next((name for name in _FRAMES if name in named), None)
    if frames is None or b".xen_pages" not in named:
        return []
    regions: list[Region] = []
    table, pages = named[frames], named[b".xen_pages"]
    count = bounded(pages[5] // _PAGE, limits.frames, "page frames", problems)
    listed = islice(_frames(reach, table[4], table[5], _FRAMES[frames]), count)
    for region in _runs(listed, pages[4]):
        if len(regions) >= limits.regions:
            detail = f"more than {limits.regions} runs of pages"
            problems.append(Problem(GapReason.MEMBER_LIMIT, detail))
            break
        regions.append(region)
    return regions


def _name(names: bytes, start: int) -> bytes:
    return names[start : start + 16].partition(b"\0")[0]


def _frames(reach: Reach, offset: int, length: int, width: int) -> Iterator[int]:
    stop = offset + length
    while offset < stop:
        piece = reach.read(offset, min(_PIECE_BYTES, stop - offset))
        whole = piece[: len(piece) // width * width]
        if not whole:
            return
        for entry in struct.iter_unpack("<Q" if width == 8 else "<Q8x", whole):
            yield entry[0]
        offset += len(whole)


def _runs(frames: Iterator[int], offset: int) -> Iterator[Region]:
    """Pages by frame from ``offset`` on, those joined that follow one another."""
    run: Region | None = None
    for frame in frames:
        if run is not None and run.address + run.length == frame * _PAGE:
            run = Region(run.address, run.offset, run.length + _PAGE)
        else:
            if run is not None:
                yield run
            run = None if frame in _NO_FRAMES else Region(frame * _PAGE, offset, _PAGE)
        offset += _PAGE
    if run is not None:
        yield run
