"""Windows minidumps (minidumpapiset.h, MINIDUMP_HEADER): ranges of a process's memory.

Written by Windows, Breakpad and Crashpad; with full memory by .NET's createdump too.

Rules enforced here:

1. Memory is what the streams MemoryListStream (5) and Memory64ListStream (9) list; ranges that
   the writer left out on purpose are no gap.
2. Ranges of the first kind may stand at any offset, those of the second follow one another from
   ``BaseRva`` on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import NO_MEMORY, Mapped, Reach, bounded
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_HEADER = struct.Struct("<4sIIIIIQ")
_DIRECTORY = struct.Struct("<III")
_RANGE = struct.Struct("<QII")
_RANGE64 = struct.Struct("<QQ")
_MEMORY_LIST, _MEMORY64_LIST = 5, 9
#: More streams than any writer makes: there are some thirty kinds.
_MOST_STREAMS = 4096


@dataclass(frozen=True, slots=True)
class Minidump:
    """A minidump of a process."""

    name: str = "minidump"

    def recognises(self, head: bytes) -> bool:
        """Signature, and the version in the lower half of the next word."""
        return head.startswith(b"MDMP\x93\xa7") and len(head) >= _HEADER.size

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """The ranges of both kinds of list."""
        reach, problems = Reach(stream), list[Problem]()
        _, _, count, directory, *_ = _HEADER.unpack(stream.peek(_HEADER.size))
        count = bounded(count, _MOST_STREAMS, "streams", problems)
        table = reach.read(directory, count * _DIRECTORY.size)
        if len(table) < count * _DIRECTORY.size:
            problems.append(reach.short("stream directory", directory))
        regions: list[Region] = []
        for kind, size, place in _DIRECTORY.iter_unpack(_whole(table, _DIRECTORY.size)):
            most = limits.regions - len(regions)
            if kind == _MEMORY_LIST:
                regions += _ranges(reach, place, size, most, problems)
            elif kind == _MEMORY64_LIST:
                regions += _ranges64(reach, place, most, problems)
        return MemoryMap(tuple(regions)) if regions else NO_MEMORY, problems


def _ranges(
    reach: Reach, place: int, size: int, most: int, problems: list[Problem]
) -> Iterator[Region]:
    """The ranges of a MINIDUMP_MEMORY_LIST; some writers pad its count to eight bytes."""
    count = int.from_bytes(reach.read(place, 4), "little")
    padded = 4 if size == 8 + count * _RANGE.size else 0
    table = _table(reach, place + 4 + padded, count, _RANGE, most, problems)
    for address, length, offset in _RANGE.iter_unpack(table):
        if length:
            yield Region(address, offset, length)


def _ranges64(reach: Reach, place: int, most: int, problems: list[Problem]) -> Iterator[Region]:
    """The ranges of a MINIDUMP_MEMORY64_LIST."""
    head = reach.read(place, _RANGE64.size)
    if len(head) < _RANGE64.size:
        problems.append(reach.short("memory list", place))
        return
    count, offset = _RANGE64.unpack(head)
    table = _table(reach, place + _RANGE64.size, count, _RANGE64, most, problems)
    for address, length in _RANGE64.iter_unpack(table):
        if offset + length >= 1 << 64:
            problems.append(Problem(GapReason.DAMAGED, "memory ranges beyond any file"))
            return
        if length:
            yield Region(address, offset, length)
        offset += length


def _table(
    reach: Reach, place: int, count: int, form: struct.Struct, most: int, problems: list[Problem]
) -> bytes:
    count = bounded(count, most, "memory ranges", problems)
    table = reach.read(place, count * form.size)
    if len(table) < count * form.size:
        problems.append(reach.short("memory list", place))
    return _whole(table, form.size)


def _whole(table: bytes, width: int) -> bytes:
    return table[: len(table) // width * width]
