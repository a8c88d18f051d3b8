"""The records of a zip archive (PKWARE APPNOTE 6.3): local headers, directory, end.

Rules enforced here:

1. A directory is looked for from the end record backwards, where it truly stands; what stands
   before the archive shifts every place that it names.
2. As many entries are kept as a scan may have members; what is beyond is a member limit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.source import RandomAccess

LOCAL, CENTRAL, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
END, END64, LOCATOR64, EXTRA_DATA = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x06\x08"
ENCRYPTED, SIZE_FOLLOWS = 1, 8
UNKNOWN = 0xFFFFFFFF
#: Where the end record is looked for: its size and the longest comment.
TAIL_BYTES = 22 + 0xFFFF


@dataclass(frozen=True, slots=True)
class Header:
    """What a local header (4.3.7) or a directory entry (4.3.12) says, ZIP64 sizes applied.

    ``place`` is where the local header stands.
    """

    name: bytes
    flags: int
    method: int
    packed: int
    unpacked: int
    place: int
    crc: int

    @property
    def size_follows(self) -> bool:
        """Whether the sizes stand behind the content (bit 3)."""
        return bool(self.flags & SIZE_FOLLOWS)


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory stands; ``shift`` is what stands before the archive."""

    start: int
    stop: int
    shift: int
    end: int


def local_lengths(fixed: bytes) -> int:
    """How long a local header is, by its fixed part of 30 bytes."""
    return 30 + sum(map(int, struct.unpack_from("<HH", fixed, 26)))


def parse_local(record: bytes, place: int) -> Header:
    """A whole local header."""
    flags, method = struct.unpack_from("<HH", record, 6)
    crc, packed, unpacked, name_len, _ = struct.unpack_from("<IIIHH", record, 14)
    extra = zip64_field(record[30 + name_len :])
    name = record[30 : 30 + name_len]
    unpacked, packed, _ = _widened(extra, unpacked, packed, 0)
    return Header(name, flags, method, packed, unpacked, place, crc)


def central_length(fixed: bytes) -> int:
    """How long a directory entry is, by its fixed part of 46 bytes."""
    return 46 + sum(map(int, struct.unpack_from("<HHH", fixed, 28)))


def parse_central(record: bytes) -> Header:
    """A whole directory entry."""
    flags, method = struct.unpack_from("<HH", record, 8)
    crc, packed, unpacked, name_len, extra_len = struct.unpack_from("<IIIHH", record, 16)
    (place,) = struct.unpack_from("<I", record, 42)
    extra = zip64_field(record[46 + name_len : 46 + name_len + extra_len])
    unpacked, packed, place = _widened(extra, unpacked, packed, place)
    name = record[46 : 46 + name_len]
    return Header(name, flags, method, packed, unpacked, place, crc)


def _widened(field: bytes, *values: int) -> Iterator[int]:
    """Each value, or its 64-bit form from the ZIP64 field, which holds only those (4.5.3)."""
    for value in values:
        if value == UNKNOWN and len(field) >= 8:
            value, field = int.from_bytes(field[:8], "little"), field[8:]  # noqa: PLW2901 - same
        yield value


def zip64_field(extra: bytes) -> bytes:
    """The content of extra field 0x0001, empty if there is none."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 1:
            return extra[4 : 4 + size]
        extra = extra[4 + size :]
    return b""


def ends_in_archive(tail: bytes) -> bool:
    """Whether the last bytes of a member hold the end record of a zip that has members.

    Such a file is unpacked by every zip program, whatever stands before the archive: a shell
    script, a program, a picture.
    """
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + 22:
        return False
    disk, first, here, count, size, _, comment = struct.unpack_from("<HHHHIIH", tail, at + 4)
    directory = tail[at - size : at - size + 4] if size <= at else CENTRAL
    whole = disk == first == 0 and here == count > 0 and size >= 46 * count
    fits = directory == CENTRAL and at + 22 + comment <= len(tail)
    return tail[max(0, at - 20) : at].startswith(LOCATOR64) or (whole and fits)


def find_directory(access: RandomAccess) -> Directory | None:
    """The directory that the end record (4.3.14, 4.3.16) at the end of ``access`` names."""
    base = max(0, access.size - TAIL_BYTES)
    tail = access.read_at(base, TAIL_BYTES)
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + 22:
        return None
    size, start, comment = struct.unpack_from("<IIH", tail, at + 12)
    stop = base + at
    end = stop + 22 + comment
    if tail[max(0, at - 20) : at].startswith(LOCATOR64):
        return _find_wide(access, stop, end)
    if size > stop or access.read_at(stop - size, 4) not in {CENTRAL, END}:
        return None
    return Directory(stop - size, stop, stop - size - start, end)


def _find_wide(access: RandomAccess, locator: int, end: int) -> Directory | None:
    """By the ZIP64 end record (4.3.14), which stands right before its locator."""
    record = access.read_at(locator - 20 - 56, 56)
    if len(record) < 56 or not record.startswith(END64):
        return None
    size, start = struct.unpack_from("<QQ", record, 40)
    stop = locator - 20 - 56
    if size > stop or access.read_at(stop - size, 4) != CENTRAL:
        return None
    return Directory(stop - size, stop, stop - size - start, end)


def read_entries(access: RandomAccess, directory: Directory) -> Iterator[Header]:
    """The entries of the directory, as far as they are whole."""
    at = directory.start
    while at < directory.stop:
        fixed = access.read_at(at, 46)
        if len(fixed) < 46 or not fixed.startswith(CENTRAL):
            return
        record = access.read_at(at, central_length(fixed))
        yield parse_central(record)
        at += central_length(fixed)
