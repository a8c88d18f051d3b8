"""inflate64's decompressor in the shape that :mod:`packed` expects.

Rule enforced here: inflate64 bounds no output, so the input of one call is bounded: a match of
Deflate64 gives 65,538 bytes for three bits at the least, 22 MiB for 128 bytes.
"""

from __future__ import annotations

import inflate64

_PACKED_BYTES = 128


class Inflate64:
    """Deflate64 (PKWARE APPNOTE 4.4.5, method 9), bare."""

    def __init__(self) -> None:
        self._engine = inflate64.Inflater()
        self._held = memoryview(b"")

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data has been read."""
        return bool(self._engine.eof)

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed before it can give any."""
        return not self._held

    @property
    def unused_data(self) -> bytes:
        """Packed bytes given to it that lie behind the end, as far as it tells."""
        return bytes(self._held)

    def decompress(self, packed: bytes, most: int) -> bytes:  # noqa: ARG002 - bounded by input
        """The unpacked bytes of the next few packed ones."""
        if packed:
            self._held = memoryview(packed)
        piece, self._held = self._held[:_PACKED_BYTES], self._held[_PACKED_BYTES:]
        return bytes(self._engine.inflate(bytes(piece)))
