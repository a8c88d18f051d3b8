"""Flattened dumps (makedumpfile(8) ``-F``): the writes of a dump file, one behind the other.

A header of 4096 bytes (``makedumpfile``, type 1, version 1, big-endian), then for each write its
offset and size (two big-endian 64-bit numbers) and the bytes; -1 and -1 end it.

Rules enforced here:

1. The file is put together again by a list of its writes; of writes to the same place the last
   one counts.
2. A list that ends early, or is longer than the limit, is a gap; what no write reached is zeros.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Member, Problem, require_access
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason
from lockgate.scan.source import READ_BYTES, ZEROS, RandomAccess, Stream

_HEADER = struct.Struct(">16sqq")
_HEADER_BYTES = 4096
_WRITE = struct.Struct(">qq")
_MAGIC = b"makedumpfile"


@dataclass(frozen=True, slots=True, order=True)
class _Write:
    """``size`` bytes at ``start`` of the file that is meant, at ``place`` of the one at hand."""

    start: int
    size: int
    place: int


@dataclass(frozen=True, slots=True)
class Reassembled:
    """The file that the writes make, at any offset; ``writes`` are in order and do not overlap."""

    outer: RandomAccess
    size: int
    writes: tuple[_Write, ...] = field(repr=False)

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`~lockgate.scan.source.RandomAccess` says."""
        stop = min(offset + count, self.size)
        pieces = []
        index = max(0, bisect_right(self.writes, offset, key=lambda w: w.start) - 1)
        while 0 <= offset < stop:
            write = self.writes[index] if index < len(self.writes) else _Write(stop, 0, 0)
            if offset < write.start:
                pieces.append(bytes(min(write.start, stop) - offset))
            elif offset < write.start + write.size:
                inside = offset - write.start
                wanted = min(stop - offset, write.size - inside)
                piece = self.outer.read_at(write.place + inside, wanted)
                pieces.append(piece.ljust(wanted, b"\0"))
            else:
                index += 1
                continue
            offset += len(pieces[-1])
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Flattened:
    """A flattened dump: one member, the dump file."""

    most: int = Limits().regions
    name: str = "flattened kdump"

    def recognises(self, head: bytes) -> bool:
        """Magic, type and version of the header."""
        if len(head) < _HEADER.size:
            return False
        magic, kind, version = _HEADER.unpack_from(head)
        return bool(magic.rstrip(b"\0") == _MAGIC and (kind, version) == (1, 1))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The dump file that the writes make.

        Raises:
            Broken: it is packed and too large to be held.
        """
        access = require_access(stream, self.name)
        writes: list[_Write] = []
        for item in _writes(access):
            if isinstance(item, Problem):
                yield item
            elif len(writes) >= self.most:
                yield Problem(GapReason.MEMBER_LIMIT, f"more than {self.most} writes")
                break
            else:
                writes.append(item)
        whole = Reassembled(
            access, max((w.start + w.size for w in writes), default=0), _last(writes)
        )
        yield Member(b"vmcore", _chunks(whole), access=whole)
        stream.drain()


def _writes(access: RandomAccess) -> Iterator[_Write | Problem]:
    place = _HEADER_BYTES
    while True:
        head = access.read_at(place, _WRITE.size)
        if len(head) < _WRITE.size:
            yield Problem(GapReason.TRUNCATED, "writes without an end", None, place)
            return
        start, size = _WRITE.unpack(head)
        if start < 0 or size < 0:
            if (start, size) != (-1, -1):
                yield Problem(GapReason.DAMAGED, "a write at no place", None, place)
            return
        place += _WRITE.size
        if place + size > access.size:
            missing = place + size - access.size
            yield Problem(GapReason.TRUNCATED, "a write is cut short", None, place, missing)
            size = access.size - place
        yield _Write(start, size, place)
        place += size


def _last(writes: list[_Write]) -> tuple[_Write, ...]:
    """The writes by place, without the parts that later ones have written over."""
    kept: list[_Write] = []
    for write in writes:
        if write.size:
            _cover(kept, write)
    return tuple(kept)


def _cover(kept: list[_Write], new: _Write) -> None:
    """Put ``new`` among ``kept``, cutting those that it overlaps."""
    stop = new.start + new.size
    first = bisect_right(kept, new.start, key=lambda w: w.start)
    if first and kept[first - 1].start + kept[first - 1].size > new.start:
        first -= 1
    last = first
    pieces = [new]
    while last < len(kept) and kept[last].start < stop:
        old = kept[last]
        old_stop = old.start + old.size
        if old.start < new.start:
            pieces.insert(0, _Write(old.start, new.start - old.start, old.place))
        if old_stop > stop:
            pieces.append(_Write(stop, old_stop - stop, old.place + stop - old.start))
        last += 1
    kept[first:last] = pieces


def _chunks(whole: Reassembled) -> Iterator[bytes]:
    """The file in pieces; what no write reached is not read but given as zeros."""
    offset = 0
    for write in whole.writes:
        while offset < write.start:
            yield ZEROS if write.start - offset >= len(ZEROS) else bytes(write.start - offset)
            offset += min(len(ZEROS), write.start - offset)
        while offset < write.start + write.size:
            piece = whole.read_at(offset, min(READ_BYTES, write.start + write.size - offset))
            yield piece
            offset += len(piece)
