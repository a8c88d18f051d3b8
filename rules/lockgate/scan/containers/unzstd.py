"""zstandard's decompressor in the shape that :mod:`packed` expects.

Rules enforced here:

1. A window larger than the limit is refused and never allocated.
2. zstandard bounds no output, so the input of one call is bounded: a block unpacks to 128 KiB
   at most and takes at least four bytes (RFC 8878 section 3.1.1.2), 32 MiB per call.
"""

from __future__ import annotations

import zstandard

#: A window larger than this is refused (bytes); the largest that ``zstd --long`` writes.
_WINDOW_BYTES = 128 << 20
_PACKED_BYTES = 1024
ZstdError = zstandard.ZstdError


class Unzstd:
    """One frame."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()
        self._held = memoryview(b"")

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed before it can give any."""
        return not self._held

    @property
    def unused_data(self) -> bytes:
        """Packed bytes given to it that lie behind the end."""
        return self._frame.unused_data + bytes(self._held)

    def decompress(self, packed: bytes, most: int) -> bytes:  # noqa: ARG002 - bounded by input
        """The unpacked bytes of the next few packed ones."""
        if packed:
            self._held = memoryview(packed)
        piece, self._held = self._held[:_PACKED_BYTES], self._held[_PACKED_BYTES:]
        return self._frame.decompress(piece)


def window_of(head: bytes) -> int:
    """The window (bytes) that the frame which starts with ``head`` asks for."""
    try:
        return int(zstandard.get_frame_parameters(head).window_size)
    except ZstdError:
        return 0


def unpack_block(packed: bytes, size: int) -> bytes | None:
    """The one frame in ``packed``, which unpacks to ``size`` bytes at most; None if damaged."""
    engine = Unzstd()
    pieces, given = [], 0
    try:
        while not engine.eof and given <= size and (packed or not engine.needs_input):
            pieces.append(engine.decompress(packed, size))
            packed = b""
            given += len(pieces[-1])
    except ZstdError:
        return None
    return b"".join(pieces) if given <= size else None
