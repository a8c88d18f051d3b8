"""Partition tables: MBR with extended partitions, and GPT (UEFI specification 5.3).

Rules enforced here:

1. Partitions are shown in the order in which they stand; one that overlaps another is read all
   the same, one that reaches behind the end of the disk is a gap.
2. What stands between them is raw bytes of the disk, and no gap.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem, require_access
from lockgate.scan.containers.extents import Extent, placed_member
from lockgate.scan.source import RandomAccess, Stream

_SECTORS = (512, 4096)
_SIGNATURE = b"\x55\xaa"
_PROTECTIVE, _EXTENDED = 0xEE, frozenset({0x05, 0x0F, 0x85})
_GPT = b"EFI PART"
#: Partitions of one table, and links in the chain of an extended one.
_PARTITIONS = 1024


@dataclass(frozen=True, slots=True)
class _Partition:
    """One partition in bytes."""

    name: bytes
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Partitions:
    """A disk image with a partition table."""

    name: str = "partition table"

    def recognises(self, head: bytes) -> bool:
        """A boot sector whose entries could be partitions, with one at least."""
        entries = [head[at : at + 16] for at in range(446, 510, 16)]
        used = [e for e in entries if e.strip(b"\0")]
        return (
            len(head) > 512
            and head[510:512] == _SIGNATURE
            and bool(used)
            and all(_is_believable(entry) for entry in used)
        )

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every partition."""
        access = require_access(stream, self.name)
        for partition in sorted(_partitions(access), key=lambda p: p.start):
            if partition.start < access.size:
                piece = (Extent(partition.start, partition.length),)
                yield from placed_member(partition.name, stream, access, piece, partition.length)
        stream.skip(access.size - stream.position)


def _is_believable(entry: bytes) -> bool:
    """A boot mark, a type, a start and a length that are all set."""
    start, length = struct.unpack_from("<II", entry, 8)
    return entry[0] in {0, 0x80} and entry[4] != 0 and start > 0 and length > 0


def _partitions(access: RandomAccess) -> Iterator[_Partition]:
    entries = _entries(access, 0)
    if any(kind == _PROTECTIVE for kind, _, _ in entries):
        for sector in _SECTORS:
            if access.read_at(sector, 8) == _GPT:
                yield from _gpt(access, sector)
                return
    for number, (kind, start, length) in enumerate(entries, 1):
        if kind in _EXTENDED:
            yield from _logical(access, start)
        elif kind and length:
            yield _Partition(b"partition %d" % number, start * 512, length * 512)


def _entries(access: RandomAccess, sector: int) -> list[tuple[int, int, int]]:
    """Type, start and length of the four entries of a boot sector."""
    raw = access.read_at(sector * 512, 512)
    if raw[510:] != _SIGNATURE:
        return []
    return [(raw[at + 4], *struct.unpack_from("<II", raw, at + 8)) for at in range(446, 510, 16)]


def _logical(access: RandomAccess, base: int) -> Iterator[_Partition]:
    """The chain of an extended partition; each link stands behind the one before."""
    sector, number = base, 5
    while number < _PARTITIONS and len(entries := _entries(access, sector)) == 4:
        (kind, start, length), (_, following, _) = entries[:2]
        if kind and length:
            yield _Partition(b"partition %d" % number, (sector + start) * 512, length * 512)
        if not following or base + following <= sector:
            return
        sector, number = base + following, number + 1


def _gpt(access: RandomAccess, sector: int) -> Iterator[_Partition]:
    header = access.read_at(sector, 92)
    if len(header) < 92:
        return
    table, count, width = struct.unpack_from("<QII", header, 72)
    if not 128 <= width <= 4096:
        return
    for index in range(min(count, _PARTITIONS)):
        entry = access.read_at(table * sector + index * width, width)
        if len(entry) < 128 or not entry[:16].strip(b"\0"):
            continue
        first, last = struct.unpack_from("<QQ", entry, 32)
        name = entry[56:128].decode("utf-16-le", "replace").split("\0")[0].encode()
        title = b"partition %d" % (index + 1) + (b" " + name if name else b"")
        if last >= first:
            yield _Partition(title, first * sector, (last - first + 1) * sector)
