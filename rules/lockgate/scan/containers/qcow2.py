"""QEMU disk images (docs/interop/qcow2.rst, version 2 and 3): the virtual disk and snapshots.

Rules enforced here:

1. Tables are looked up cluster by cluster and never followed further than two levels, so that no
   cycle in them can matter.
2. What stands elsewhere (a backing file, an external data file), what is encrypted, and a table
   or a cluster behind the end of the image is a gap.
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

_MAGIC = b"QFI\xfb"
_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED, _ZERO = 1 << 62, 1
_EXTERNAL_DATA, _EXTENDED_L2 = 4, 16
#: Longest table of tables (bytes) that QEMU itself accepts, and most snapshots.
_L1_BYTES = 32 << 20
_SNAPSHOTS = 1024
#: With these, what the image itself holds can still be read.
_IN_PART = frozenset({GapReason.UNREADABLE, GapReason.MEMBER_LIMIT})
#: Problems that are told of one disk.
_PROBLEMS = 16


@dataclass(frozen=True, slots=True)
class _Disk:
    """One state of the disk: its length and its table of tables."""

    name: bytes
    size: int
    table: int
    entries: int


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header says."""

    cluster_bits: int
    method: int
    obstacles: tuple[Problem, ...]
    disks: tuple[_Disk, ...]


@dataclass(frozen=True, slots=True)
class Qcow2:
    """A disk image."""

    name: str = "qcow2"

    def recognises(self, head: bytes) -> bool:
        """The magic and a version that there is."""
        return head.startswith(_MAGIC) and head[4:8] in {b"\0\0\0\2", b"\0\0\0\3"}

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The disk as it is, and as each snapshot has it."""
        access = require_access(stream, self.name)
        header = _read_header(access)
        if header is None:
            yield Problem(GapReason.DAMAGED, "qcow2 header is broken")
            return
        yield from header.obstacles
        if all(p.reason in _IN_PART for p in header.obstacles):
            for disk in header.disks:
                tables = _Tables(access, header, disk)
                clusters = ClusterAccess(access, disk.size, 1 << header.cluster_bits, tables.lookup)
                yield Member(disk.name, clusters.chunks(), access=clusters)
                yield from tables.problems
        stream.skip(access.size - stream.position)


@dataclass(slots=True)
class _Tables:
    """Finds the clusters of one disk; what is broken becomes a problem and reads as zeros."""

    access: RandomAccess
    header: _Header
    disk: _Disk
    problems: list[Problem] = field(default_factory=list)
    _l2: tuple[int, bytes] = (-1, b"")

    def lookup(self, index: int) -> int | bytes | None:
        """As :class:`ClusterAccess` asks."""
        bits = self.header.cluster_bits
        first, second = divmod(index, 1 << (bits - 3))
        if self._l2[0] != first:
            self._l2 = first, self._read_l2(first)
        entry = int.from_bytes(self._l2[1][8 * second : 8 * second + 8], "big")
        if entry & _COMPRESSED:
            return self._unpack(entry, bits)
        place = entry & _OFFSET
        if not place or entry & _ZERO:
            return None
        if place >= self.access.size:
            self._broken(GapReason.TRUNCATED, "cluster behind the end of the image", place)
            return None
        return place

    def _read_l2(self, first: int) -> bytes:
        if first >= self.disk.entries:
            self._broken(GapReason.DAMAGED, "disk longer than its tables", None)
            return b""
        raw = self.access.read_at(self.disk.table + 8 * first, 8)
        place = int.from_bytes(raw, "big") & _OFFSET
        if len(raw) == 8 and not place:
            return b""
        table = self.access.read_at(place, 1 << self.header.cluster_bits)
        if len(raw) < 8 or len(table) < 1 << self.header.cluster_bits:
            self._broken(GapReason.TRUNCATED, "table behind the end of the image", place)
        return table

    def _unpack(self, entry: int, bits: int) -> bytes | None:
        """A compressed cluster: its place, and how many further sectors it touches."""
        split = 62 - (bits - 8)
        place = entry & ((1 << split) - 1)
        sectors = ((entry & (_COMPRESSED - 1)) >> split) + 1
        packed = self.access.read_at(place, sectors * 512 - place % 512)
        unpacked = _inflate(packed, 1 << bits, self.header.method)
        if unpacked is None:
            self._broken(GapReason.DAMAGED, "compressed cluster is damaged", place)
        return unpacked

    def _broken(self, reason: GapReason, detail: str, place: int | None) -> None:
        if len(self.problems) < _PROBLEMS:
            self.problems.append(Problem(reason, detail, self.disk.name, place))


def _inflate(packed: bytes, size: int, method: int) -> bytes | None:
    if method == 0:
        try:
            unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size)
        except zlib.error:
            return None
    else:
        from lockgate.scan.containers.unzstd import unpack_block

        unpacked = unpack_block(packed, size) or b""
    return unpacked if len(unpacked) == size else None


def _read_header(access: RandomAccess) -> _Header | None:
    raw = access.read_at(0, 112)
    if len(raw) < 72:
        return None
    version, backing, _, bits, size, crypt, entries, table = struct.unpack_from(">IQIIQIIQ", raw, 4)
    count, snapshots = struct.unpack_from(">IQ", raw, 60)
    (incompatible,) = struct.unpack_from(">Q", raw, 72) if version >= 3 else (0,)
    length = int.from_bytes(raw[100:104], "big") if version >= 3 else 72
    method = raw[104] if length > 104 else 0
    if not 9 <= bits <= 21 or 8 * entries > _L1_BYTES:
        return None
    obstacles = list(_obstacles(backing, crypt, incompatible, method))
    disks = [_Disk(b"disk", size, table, entries)]
    if count > _SNAPSHOTS:
        obstacles.append(Problem(GapReason.MEMBER_LIMIT, "more snapshots than the limit"))
    else:
        disks += _snapshots(access, count, snapshots, size)
    return _Header(bits, method, tuple(obstacles), tuple(disks))


def _obstacles(backing: int, crypt: int, incompatible: int, method: int) -> Iterator[Problem]:
    if backing:
        yield Problem(GapReason.UNREADABLE, "qcow2 backing file is elsewhere")
    if crypt:
        yield Problem(GapReason.ENCRYPTED, "encrypted qcow2: scanned raw only")
    if incompatible & _EXTERNAL_DATA:
        yield Problem(GapReason.UNSUPPORTED, "qcow2 with an external data file: scanned raw only")
    if incompatible & _EXTENDED_L2:
        yield Problem(GapReason.UNSUPPORTED, "qcow2 with subclusters: scanned raw only")
    if method > 1:
        yield Problem(GapReason.UNSUPPORTED, f"qcow2 compression {method}: scanned raw only")


def _snapshots(access: RandomAccess, count: int, at: int, size: int) -> Iterator[_Disk]:
    for _ in range(count):
        fixed = access.read_at(at, 40)
        if len(fixed) < 40:
            return
        table, entries, id_bytes, name_bytes = struct.unpack_from(">QIHH", fixed)
        extra = int.from_bytes(fixed[36:40], "big")
        more = access.read_at(at + 40, min(extra, 64))
        own = int.from_bytes(more[8:16], "big") if len(more) >= 16 else size
        name = access.read_at(at + 40 + extra + id_bytes, name_bytes)
        if 8 * entries <= _L1_BYTES:
            yield _Disk(b"snapshot " + name, own, table, entries)
        at += 40 + extra + id_bytes + name_bytes
        at += -at % 8
