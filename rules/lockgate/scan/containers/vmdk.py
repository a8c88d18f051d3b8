"""VMware disks in one file (Virtual Disk Format 5.0): sparse and stream-optimised.

Rules enforced here:

1. Grains are looked up through the grain directory and its tables, two levels and no further;
   what lies behind the end of the file is a gap.
2. A descriptor that names other files holds no content of its own: a gap.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Member, Problem, require_access
from lockgate.scan.containers.extents import ClusterAccess
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_MAGIC = b"KDMV"
_DESCRIPTOR = b"# Disk DescriptorFile"
_SECTOR = 512
_COMPRESSED = 1 << 16
#: The directory stands behind the content; the header at the end says where (1.5 of the format).
_AT_END = 0xFFFFFFFFFFFFFFFF
#: Grain sizes that there are (sectors), and entries of one table.
_GRAIN_SECTORS = 2048
_ENTRIES = 1 << 16
_PROBLEMS = 16


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header says; sizes and places in sectors."""

    flags: int
    capacity: int
    grain: int
    entries: int
    directory: int


@dataclass(frozen=True, slots=True)
class Vmdk:
    """A sparse extent with its descriptor inside."""

    name: str = "vmdk"

    def recognises(self, head: bytes) -> bool:
        """The magic of a sparse extent, or the first line of a descriptor."""
        return head.startswith((_MAGIC, _DESCRIPTOR))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The virtual disk."""
        if stream.peek(len(_DESCRIPTOR)) == _DESCRIPTOR:
            yield Problem(GapReason.UNSUPPORTED, "vmdk descriptor: the disk is in other files")
            return
        access = require_access(stream, self.name)
        header = _read_header(access)
        if header is None:
            yield Problem(GapReason.DAMAGED, "vmdk header is broken")
            return
        grains = _Grains(access, header)
        size, grain = header.capacity * _SECTOR, header.grain * _SECTOR
        disk = ClusterAccess(access, size, grain, grains.lookup)
        yield Member(b"disk", disk.chunks(), access=disk)
        yield from grains.problems
        stream.skip(access.size - stream.position)


@dataclass(slots=True)
class _Grains:
    """Finds the grains of a disk; what is broken becomes a problem and reads as zeros."""

    access: RandomAccess
    header: _Header
    problems: list[Problem] = field(default_factory=list)
    _table: tuple[int, bytes] = (-1, b"")

    def lookup(self, index: int) -> int | bytes | None:
        """As :class:`ClusterAccess` asks."""
        first, second = divmod(index, self.header.entries)
        if self._table[0] != first:
            self._table = first, self._read_table(first)
        place = int.from_bytes(self._table[1][4 * second : 4 * second + 4], "little") * _SECTOR
        if place <= _SECTOR:  # 0: never written; 1: written as zeros
            return None
        if place >= self.access.size:
            self._broken(GapReason.TRUNCATED, "grain behind the end of the file", place)
            return None
        return self._unpack(place) if self.header.flags & _COMPRESSED else place

    def _read_table(self, first: int) -> bytes:
        raw = self.access.read_at(self.header.directory * _SECTOR + 4 * first, 4)
        place = int.from_bytes(raw, "little") * _SECTOR
        if len(raw) == 4 and not place:
            return b""
        table = self.access.read_at(place, 4 * self.header.entries)
        if len(raw) < 4 or len(table) < 4 * self.header.entries:
            self._broken(GapReason.TRUNCATED, "grain table behind the end of the file", place)
        return table

    def _unpack(self, place: int) -> bytes | None:
        """A grain behind its marker: where it belongs, and how long it is packed."""
        length = int.from_bytes(self.access.read_at(place + 8, 4), "little")
        size = self.header.grain * _SECTOR
        if length <= 2 * size:
            packed = self.access.read_at(place + 12, length)
            try:
                return zlib.decompressobj().decompress(packed, size)
            except zlib.error:
                pass
        self._broken(GapReason.DAMAGED, "compressed grain is damaged", place)
        return None

    def _broken(self, reason: GapReason, detail: str, place: int) -> None:
        if len(self.problems) < _PROBLEMS:
            self.problems.append(Problem(reason, detail, b"disk", place))


def _read_header(access: RandomAccess) -> _Header | None:
    header = _parse_header(access.read_at(0, 80))
    if header is not None and header.directory == _AT_END:
        # Behind it stands one sector, the mark of the end of the stream.
        header = _parse_header(access.read_at(access.size - 2 * _SECTOR, 80))
    if header is None or not 0 < header.entries <= _ENTRIES:
        return None
    if not 0 < header.grain <= _GRAIN_SECTORS or header.directory == _AT_END:
        return None
    return header


def _parse_header(raw: bytes) -> _Header | None:
    if len(raw) < 80 or not raw.startswith(_MAGIC):
        return None
    flags, capacity, grain, _, _, entries, _, directory = struct.unpack_from("<IQQQQIQQ", raw, 8)
    return _Header(flags, capacity, grain, entries, directory)
