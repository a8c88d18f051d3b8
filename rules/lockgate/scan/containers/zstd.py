"""Zstandard (RFC 8878), of one or many frames, skippable frames passed over.

Rules enforced here:

1. A window larger than the limit is a gap and is never allocated.
2. Frames follow one another as in gzip; a skippable frame is raw bytes of the outer member.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_MAGIC = b"\x28\xb5\x2f\xfd"
_WINDOW_BYTES = 128 << 20
#: Packed bytes per call. zstandard bounds no output, but a block unpacks to 128 KiB at most and
#: takes at least four bytes (RFC 8878 section 3.1.1.2): 32 MiB is the most one call can give.
_PACKED_BYTES = 1024


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
    while True:
        head = stream.peek(8)
        if head.startswith(_MAGIC):
            yield from _unpack_frame(stream)
        elif _is_skippable(head):
            stream.skip(8 + int.from_bytes(head[4:8], "little"))
        else:
            return


def _unpack_frame(stream: Stream) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()
    while not frame.eof:
        packed = stream.peek(_PACKED_BYTES)
        if not packed:
            raise Broken(GapReason.TRUNCATED, "zstd frame ends early")
        try:
            unpacked = frame.decompress(packed)
        except zstandard.ZstdError:
            raise Broken(
                GapReason.DAMAGED, "zstd frame is damaged or its window too large"
            ) from None
        stream.read(len(packed) - len(frame.unused_data))
        if unpacked:
            yield unpacked
