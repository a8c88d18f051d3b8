"""zlib's decompressor in the shape that :mod:`packed` expects.

Rule enforced here: output per call is bounded, the rest stays inside the decompressor.
"""

from __future__ import annotations

import zlib

GZIP_WINDOW = 16 + zlib.MAX_WBITS
ZLIB_WINDOW = zlib.MAX_WBITS
RAW_WINDOW = -zlib.MAX_WBITS


class Inflate:
    """RFC 1951 data, bare or with the header and trailer of RFC 1950 or RFC 1952."""

    def __init__(self, window: int) -> None:
        self._engine = zlib.decompressobj(window)
        self._held = b""
        self._full = False

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data has been read."""
        return self._engine.eof

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed before it can give any."""
        return not self._held and not self._full

    @property
    def unused_data(self) -> bytes:
        """Packed bytes given to it that lie behind the end."""
        return self._engine.unused_data

    def decompress(self, packed: bytes, most: int) -> bytes:
        """Up to ``most`` unpacked bytes."""
        unpacked = self._engine.decompress(self._held + packed, most)
        self._held = self._engine.unconsumed_tail
        self._full = len(unpacked) == most and not self._engine.eof
        return unpacked
