"""cpio: newc and crc (cpio(5)), odc (POSIX.1-1988), and the old binary form in both orders.

Rules enforced here:

1. Archives that follow one another, as in an initramfs, are one; zeros between them are padding.
2. Only a regular file has content that counts; a link's target is passed over like the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_TRAILER = b"TRAILER!!!"
#: Longest name that is read (bytes); PATH_MAX of Linux.
_NAME_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Header:
    """One header: its own length, what is aligned to how much, and what follows it."""

    length: int
    align: int
    name_bytes: int
    size: int


@dataclass(frozen=True, slots=True)
class Cpio:
    """A cpio archive."""

    name: str = "cpio"

    def recognises(self, head: bytes) -> bool:
        """A whole first header with a believable name."""
        header = _parse(head)
        if header is None or not 1 < header.name_bytes <= _NAME_BYTES:
            return False
        return head[header.length + header.name_bytes - 1 :][:1] == b"\0"

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every member with content, in order."""
        ended = False
        while True:
            start = stream.position
            header = _parse(stream.peek(110))
            if header is None:
                if ended and _pass_zeros(stream):
                    continue
                if not ended:
                    detail = "cpio without its trailer"
                    yield Problem(GapReason.TRUNCATED, detail, None, start)
                return
            if not 0 < header.name_bytes <= _NAME_BYTES:
                yield Problem(GapReason.DAMAGED, "cpio name too long", None, start)
                return
            record = stream.read(_aligned(header.length + header.name_bytes, header.align))
            name = record[header.length : header.length + header.name_bytes].rstrip(b"\0")
            ended = name == _TRAILER
            yield from _content(stream, name, header)


def _content(stream: Stream, name: bytes, header: _Header) -> Iterator[Member | Problem]:
    start = stream.position
    if header.size:
        yield Member(name, stream.take(header.size), stored_at=start, size=header.size)
    stream.skip(start + header.size - stream.position)
    if stream.position < start + header.size:
        missing = start + header.size - stream.position
        yield Problem(GapReason.TRUNCATED, "cpio member ends early", name, stream.position, missing)
    stream.skip(_aligned(header.size, header.align) - header.size)


def _aligned(count: int, align: int) -> int:
    return count + -count % align


def _pass_zeros(stream: Stream) -> bool:
    """Pass padding; whether there was any and another archive follows it."""
    passed = 0
    while piece := stream.peek(512):
        zeros = len(piece) - len(piece.lstrip(b"\0"))
        passed += stream.skip(zeros)
        if zeros < len(piece):
            break
    return passed > 0 and _parse(stream.peek(110)) is not None


def _parse(head: bytes) -> _Header | None:
    magic = head[:6]
    try:
        if magic in {b"070701", b"070702"} and len(head) >= 110:
            return _parse_newc(head)
        if magic == b"070707" and len(head) >= 76:
            return _Header(76, 1, int(head[59:65], 8), int(head[65:76], 8))
    except ValueError:
        return None
    if magic[:2] in {b"\xc7\x71", b"\x71\xc7"} and len(head) >= 26:
        order = "<" if magic[:2] == b"\xc7\x71" else ">"
        words = struct.unpack_from(order + "13H", head)
        return _Header(26, 2, words[10], words[11] << 16 | words[12])
    return None


def _parse_newc(head: bytes) -> _Header:
    # The name is padded so that header and name together are a multiple of four.
    return _Header(110, 4, int(head[94:102], 16), int(head[54:62], 16))
