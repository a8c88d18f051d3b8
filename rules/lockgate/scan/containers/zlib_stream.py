"""Bare zlib streams (RFC 1950), as git keeps loose objects and Docker keeps build caches.

Rule enforced here: two bytes are no proof of a format, so the front of the stream must unpack
and, where it ends there, agree with its checksum.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.inflate import ZLIB_WINDOW, Inflate
from lockgate.scan.containers.packed import unpack_one
from lockgate.scan.source import Stream

_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
#: As much of the front must unpack (bytes); damage behind it is damage.
_FRONT_BYTES = 256


@dataclass(frozen=True, slots=True)
class Zlib:
    """A zlib stream: one member without a name of its own."""

    name: str = "zlib"

    def recognises(self, head: bytes) -> bool:
        """A header that zlib writes, and content that unpacks."""
        if not head.startswith(_STARTS):
            return False
        engine = zlib.decompressobj()
        try:
            front = engine.decompress(head[:_FRONT_BYTES], 1 << 16)
        except zlib.error:
            return False
        return engine.eof or len(front) >= 64 or len(head) < _FRONT_BYTES

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        chunks = unpack_one(stream, Inflate(ZLIB_WINDOW), zlib.error)
        yield Member(b"zlib", chunks, packed=True)
