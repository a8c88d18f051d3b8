"""Programs with something behind their end: AppImages, self-extractors, installers.

Rules enforced here:

1. An ELF file ends behind its sections, segments and header tables (System V ABI chapter 4, 5), a
   PE file behind its sections (PE format specification); what stands behind that is a member.
2. A program that ends where it says has no member and no gap; a broken header is none either:
   the bytes are scanned raw. So is one that is packed and too large to be held, where only a
   zip behind it is told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.zip_records import TAIL_BYTES, ends_in_archive
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_ET_CORE, _SHT_NOBITS = 4, 8
#: Sections of one program that are looked at.
_SECTIONS = 4096


@dataclass(frozen=True, slots=True)
class Program:
    """An executable or library that can be read at any offset."""

    name: str = "program"

    def recognises(self, head: bytes) -> bool:
        """An ELF file that is no core, or a PE file."""
        if head.startswith(b"\x7fELF\x02\x01") and len(head) >= 64:
            return head[16] != _ET_CORE
        at = int.from_bytes(head[0x3C:0x40], "little")
        return head.startswith(b"MZ") and head[at : at + 4] == b"PE\0\0"

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """What stands behind the program's own end, if anything does."""
        access = stream.random_access()
        if access is not None:
            is_elf = access.read_at(0, 1) == b"\x7f"
            stop = _elf_end(access) if is_elf else _pe_end(access)
            if 0 < stop < access.size:
                stream.skip(stop)
                size = access.size - stop
                yield Member(b"overlay", stream.take(size), stored_at=stop, size=size)
        tail = b""
        while piece := stream.read_some():
            tail = (tail + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
        if access is None and ends_in_archive(tail):
            yield Problem(GapReason.UNSUPPORTED, "zip behind a program: scanned raw only")


def _elf_end(access: RandomAccess) -> int:
    """The end of the last part that a header of a 64-bit little-endian ELF file names."""
    header = access.read_at(0, 64)
    if len(header) < 64:
        return 0
    segments, sections = struct.unpack_from("<QQ", header, 32)
    width, count, section_width, section_count = struct.unpack_from("<HHHH", header, 54)
    ends: list[int] = [64, segments + width * count, sections + section_width * section_count]
    for at in range(count if width == 56 else 0):
        entry = access.read_at(segments + 56 * at, 56)
        if len(entry) == 56:
            ends.append(sum(struct.unpack_from("<8xQ16xQ", entry)))
    for at in range(min(section_count, _SECTIONS) if section_width == 64 else 0):
        entry = access.read_at(sections + 64 * at, 64)
        if len(entry) == 64 and int.from_bytes(entry[4:8], "little") != _SHT_NOBITS:
            ends.append(sum(struct.unpack_from("<QQ", entry, 24)))
    return max(ends)


def _pe_end(access: RandomAccess) -> int:
    """The end of the last section of a PE file."""
    at = int.from_bytes(access.read_at(0x3C, 4), "little")
    header = access.read_at(at, 24)
    if len(header) < 24:
        return 0
    (count,) = struct.unpack_from("<H", header, 6)
    (optional,) = struct.unpack_from("<H", header, 20)
    table = access.read_at(at + 24 + optional, 40 * min(count, _SECTIONS))
    places = (struct.unpack_from("<II", table, i + 16) for i in range(0, len(table) - 39, 40))
    return max((size + place for size, place in places), default=0)
