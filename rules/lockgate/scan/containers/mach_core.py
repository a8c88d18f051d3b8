"""Mach-O core files (mach-o/loader.h, filetype MH_CORE): segments of a process's memory.

Rule enforced here: load commands are followed by their sizes inside ``sizeofcmds``; a segment
whose ``filesize`` is smaller than its ``vmsize`` was not dumped to its end on purpose.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import FRONT_BYTES, NO_MEMORY, Mapped, Reach, bounded
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_MH_CORE = 4
#: Magic as the file shows it: byte order, and whether addresses have 64 bits.
_MAGICS = {
    b"\xcf\xfa\xed\xfe": ("<", True),
    b"\xce\xfa\xed\xfe": ("<", False),
    b"\xfe\xed\xfa\xcf": (">", True),
    b"\xfe\xed\xfa\xce": (">", False),
}
_LC_SEGMENT, _LC_SEGMENT_64 = 1, 0x19


@dataclass(frozen=True, slots=True)
class MachCore:
    """A core of macOS or another Mach system."""

    name: str = "Mach-O core"

    def recognises(self, head: bytes) -> bool:
        """Magic and file type."""
        known = _MAGICS.get(head[:4])
        return known is not None and head[12:16] == struct.pack(known[0] + "I", _MH_CORE)

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """The segments of all load commands."""
        order, wide = _MAGICS[stream.peek(4)]
        size = 32 if wide else 28
        header = stream.peek(size)
        if len(header) < size:
            return NO_MEMORY, (Problem(GapReason.TRUNCATED, "the header ends early"),)
        count, length = struct.unpack_from(order + "II", header, 16)
        reach, problems = Reach(stream), list[Problem]()
        count = bounded(count, limits.regions, "load commands", problems)
        commands = reach.read(size, min(length, FRONT_BYTES))
        if len(commands) < length:
            problems.append(reach.short("load commands", size))
        regions = tuple(_segments(commands, count, order))
        return MemoryMap(regions), problems


def _segments(commands: bytes, count: int, order: str) -> Iterator[Region]:
    place = 0
    for _ in range(count):
        if place + 8 > len(commands):
            return
        command, size = struct.unpack_from(order + "II", commands, place)
        if size < 8 or place + size > len(commands):
            return
        form = {_LC_SEGMENT: "IIII", _LC_SEGMENT_64: "QQQQ"}.get(command)
        if form is not None and size >= 24 + struct.calcsize(order + form):
            fields = struct.unpack_from(order + form, commands, place + 24)
            address, _, offset, length = fields
            if length:
                yield Region(address, offset, length)
        place += size
