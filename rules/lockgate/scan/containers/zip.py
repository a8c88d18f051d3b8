"""zip (PKWARE APPNOTE 6.3): local headers in the order in which they stand.

Rules enforced here:

1. Local headers are followed, because they are where the bytes are; the central directory is
   then read, and a member that it names at a place where none was read, or describes in
   another way than the local header does, is a gap.
2. Stored and deflated members are read; encrypted ones and other methods are gaps.
3. An archive that stands behind other bytes is told by its end record (:func:`ends_in_archive`).
4. A stored member of unknown size (bit 3) is scanned as raw bytes of the archive, with a gap.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.inflate import RAW_WINDOW, Inflate
from lockgate.scan.containers.packed import unpack_one
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_LOCAL, _CENTRAL, _DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
_END, _END64, _LOCATOR64, _EXTRA_DATA = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x06\x08"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _SIZE_FOLLOWS = 1, 8
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Local:
    """One local file header (APPNOTE 4.3.7), ZIP64 sizes applied."""

    name: bytes
    flags: int
    method: int
    packed: int
    zip64: bool


@dataclass(frozen=True, slots=True)
class Zip:
    """A zip archive."""

    name: str = "zip"

    def recognises(self, head: bytes) -> bool:
        """A local header, or the end record of an empty archive, at the start."""
        return head.startswith((_LOCAL, _END))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every member with a readable method, in the order of local headers."""
        seen: dict[int, _Local] = {}
        while stream.peek(4) == _LOCAL:
            start = stream.position
            local = _read_local(stream)
            if local is None:
                yield Problem(GapReason.TRUNCATED, "zip header ends early", None, start)
                return
            seen[start] = local
            readable = yield from _content(stream, local)
            if not readable:
                return
        yield from _read_directory(stream, seen)


def _read_local(stream: Stream) -> _Local | None:
    fixed = stream.read(30)
    if len(fixed) < 30:
        return None
    _, _, flags, method, _, _, _, packed, unpacked, name_len, extra_len = struct.unpack(
        "<4sHHHHHIIIHH", fixed
    )
    name, extra = stream.read(name_len), stream.read(extra_len)
    if len(name) < name_len or len(extra) < extra_len:
        return None
    field = _zip64_field(extra)
    if field is not None and packed == _UNKNOWN:
        wanted = 8 if unpacked == _UNKNOWN else 0
        packed = int.from_bytes(field[wanted : wanted + 8], "little")
    return _Local(name, flags, method, packed, field is not None)


def _zip64_field(extra: bytes) -> bytes | None:
    """The content of extra field 0x0001 (APPNOTE 4.5.3), if there is one."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 1:
            return extra[4 : 4 + size]
        extra = extra[4 + size :]
    return None


def _content(stream: Stream, local: _Local) -> Generator[Member | Problem, None, bool]:
    """Give the member at hand; returns whether the next header can be found."""
    start = stream.position
    size_follows = bool(local.flags & _SIZE_FOLLOWS)
    if local.flags & _ENCRYPTED:
        yield Problem(GapReason.ENCRYPTED, "encrypted zip member", local.name, start)
    elif local.method == _DEFLATED:
        yield Member(local.name, unpack_one(stream, Inflate(RAW_WINDOW), zlib.error))
    elif local.method == _STORED and not size_follows:
        yield Member(local.name, stream.take(local.packed), stored_at=start)
    else:
        yield Problem(
            GapReason.UNSUPPORTED, f"zip method {local.method} scanned as stored", local.name, start
        )
    if size_follows:
        return (yield from _pass_descriptor(stream, local, start))
    return (yield from _pass_packed(stream, local, start))


def _pass_packed(stream: Stream, local: _Local, start: int) -> Generator[Problem, None, bool]:
    stop = start + local.packed
    if stream.position > stop:
        yield Problem(
            GapReason.DAMAGED, "zip member longer than its header says", local.name, start
        )
        return False
    stream.skip(stop - stream.position)
    if stream.position < stop:
        missing = stop - stream.position
        yield Problem(
            GapReason.TRUNCATED, "zip member ends early", local.name, stream.position, missing
        )
        return False
    return True


def _pass_descriptor(stream: Stream, local: _Local, start: int) -> Generator[Problem, None, bool]:
    """Pass the data descriptor (APPNOTE 4.3.9), whose signature and width may vary."""
    if local.method != _DEFLATED or local.flags & _ENCRYPTED:
        yield Problem(GapReason.UNSUPPORTED, "zip members behind one of unknown size", None, start)
        return False
    ahead = stream.peek(28)
    for length in (16, 24, 12, 20):
        signed = length in {16, 24}
        if signed == ahead.startswith(_DESCRIPTOR) and ahead[length : length + 2] == b"PK":
            stream.skip(length)
            return True
    yield Problem(GapReason.DAMAGED, "zip member without its descriptor", local.name, start)
    return False


def _read_directory(stream: Stream, seen: dict[int, _Local]) -> Iterator[Problem]:
    if stream.peek(4) == _EXTRA_DATA:
        stream.skip(8 + int.from_bytes(stream.peek(8)[4:8], "little"))
    start = stream.position
    while stream.peek(4) == _CENTRAL:
        entry = stream.read(46)
        if len(entry) < 46:
            break
        lengths = struct.unpack_from("<HHH", entry, 28)
        name, extra = stream.read(lengths[0]), stream.read(lengths[1])
        stream.skip(lengths[2])
        place = _local_place(entry, extra)
        if place not in seen:
            yield Problem(GapReason.DAMAGED, "zip directory names an unread member", name, place)
        elif _contradicts(entry, seen[place]):
            detail = "zip directory contradicts the member's header"
            yield Problem(GapReason.DAMAGED, detail, name, place)
    if not _pass_end(stream):
        yield Problem(GapReason.TRUNCATED, "zip without its end record", None, start)


def _contradicts(entry: bytes, local: _Local) -> bool:
    """Whether a reader that trusts the directory would unpack something else."""
    flags, method = struct.unpack_from("<HH", entry, 8)
    (packed,) = struct.unpack_from("<I", entry, 20)
    sized = not local.flags & _SIZE_FOLLOWS and packed != _UNKNOWN
    return (
        method != local.method
        or (flags ^ local.flags) & _ENCRYPTED != 0
        or (sized and packed != local.packed)
    )


def _pass_end(stream: Stream) -> bool:
    """Pass the end records with their comment (APPNOTE 4.3.14 to 4.3.16)."""
    if stream.peek(4) == _END64:
        stream.skip(12 + int.from_bytes(stream.peek(12)[4:12], "little"))
    if stream.peek(4) == _LOCATOR64:
        stream.skip(20)
    end = stream.peek(22)
    if len(end) < 22 or not end.startswith(_END):
        return False
    stream.skip(22 + int.from_bytes(end[20:22], "little"))
    return True


def ends_in_archive(tail: bytes) -> bool:
    """Whether the last bytes of a member hold the end record of a zip that has members.

    Such a file is unpacked by every zip program, whatever stands before the archive: a shell
    script, a program, a picture.
    """
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        return False
    disk, first, here, count, size, _, comment = struct.unpack_from("<HHHHIIH", tail, at + 4)
    directory = tail[at - size : at - size + 4] if size <= at else _CENTRAL
    whole = disk == first == 0 and here == count > 0 and size >= 46 * count
    fits = directory == _CENTRAL and at + 22 + comment <= len(tail)
    return tail[max(0, at - 20) : at].startswith(_LOCATOR64) or (whole and fits)


def _local_place(entry: bytes, extra: bytes) -> int:
    packed, unpacked = struct.unpack_from("<II", entry, 20)
    place = int(struct.unpack_from("<I", entry, 42)[0])
    field = _zip64_field(extra)
    if place != _UNKNOWN or field is None:
        return place
    before = 8 * ((packed == _UNKNOWN) + (unpacked == _UNKNOWN))
    return int.from_bytes(field[before : before + 8], "little")
