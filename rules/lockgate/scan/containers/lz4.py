"""LZ4: frames (LZ4 Frame Format 1.6.2) and the legacy format that the Linux kernel uses.

Rules enforced here:

1. Frames of both kinds follow one another; a skippable frame is raw bytes of the outer member.
2. A legacy block is at most 8 MiB unpacked; a larger one is damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.packed import unpack_one
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_FRAME, _LEGACY = b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"
_LEGACY_BLOCK_BYTES = 8 << 20
#: What a block that cannot be packed takes at most (LZ4_COMPRESSBOUND).
_LEGACY_PACKED_BYTES = _LEGACY_BLOCK_BYTES + _LEGACY_BLOCK_BYTES // 255 + 16


@dataclass(frozen=True, slots=True)
class Lz4:
    """An lz4 file: one member without a name of its own."""

    name: str = "lz4"

    def recognises(self, head: bytes) -> bool:
        """A frame of either kind."""
        return head.startswith((_FRAME, _LEGACY))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        yield Member(b"lz4", _unpack(stream))


def _unpack(stream: Stream) -> Iterator[bytes]:
    while True:
        head = stream.peek(8)
        if head.startswith(_FRAME):
            yield from _unpack_frame(stream)
        elif head.startswith(_LEGACY):
            stream.skip(4)
            yield from _unpack_legacy(stream)
        elif len(head) == 8 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18":
            stream.skip(8 + int.from_bytes(head[4:8], "little"))
        else:
            return


class _Frame:
    """The library's decompressor in the shape that :mod:`packed` expects."""

    def __init__(self) -> None:
        import lz4.frame

        self._engine = lz4.frame.LZ4FrameDecompressor()

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return bool(self._engine.eof)

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed before it can give any."""
        return bool(self._engine.needs_input)

    @property
    def unused_data(self) -> bytes:
        """Packed bytes given to it that lie behind the end."""
        return self._engine.unused_data or b""

    def decompress(self, packed: bytes, most: int) -> bytes:
        """Up to ``most`` unpacked bytes."""
        return bytes(self._engine.decompress(packed, most))


def _unpack_frame(stream: Stream) -> Iterator[bytes]:
    return unpack_one(stream, _Frame(), RuntimeError)


def _unpack_legacy(stream: Stream) -> Iterator[bytes]:
    """Blocks with their packed size before each, up to the end or the magic of a frame."""
    import lz4.block

    while len(size := stream.peek(4)) == 4 and size not in {_FRAME, _LEGACY}:
        count = int.from_bytes(size, "little")
        if count > _LEGACY_PACKED_BYTES:
            return
        stream.skip(4)
        packed = stream.read(count)
        if len(packed) < count:
            raise Broken(GapReason.TRUNCATED, "lz4 block ends early")
        try:
            yield lz4.block.decompress(packed, uncompressed_size=_LEGACY_BLOCK_BYTES)
        except lz4.block.LZ4BlockError:
            raise Broken(GapReason.DAMAGED, "lz4 block is damaged") from None
