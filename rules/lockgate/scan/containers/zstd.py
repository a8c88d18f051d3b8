"""Zstandard (RFC 8878), of one or many frames, skippable frames passed over.

Rule enforced here: frames follow one another as in gzip; a skippable frame is raw bytes of the
outer member.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.packed import unpack_one, within
from lockgate.scan.source import Stream

_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Zstd:
    """A zstd file: one member without a name of its own."""

    name: str = "zstd"

    def recognises(self, head: bytes) -> bool:
        """A frame, or a skippable frame first."""
        return head.startswith(_MAGIC) or _is_skippable(head)

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        yield Member(b"zstd", _unpack(stream))


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 8 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"


def _unpack(stream: Stream) -> Iterator[bytes]:
    from lockgate.scan.containers.unzstd import Unzstd, ZstdError, window_of

    while True:
        head = stream.peek(8)
        if head.startswith(_MAGIC):
            window = window_of(stream.peek(18))
            yield from within(stream, window, unpack_one(stream, Unzstd(), ZstdError))
        elif _is_skippable(head):
            stream.skip(8 + int.from_bytes(head[4:8], "little"))
        else:
            return
