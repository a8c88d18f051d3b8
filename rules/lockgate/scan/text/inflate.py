"""Gzip (RFC 1952) inside text: unpacked in memory, to a limit.

Rule enforced here: what cannot be unpacked whole is told, so that nobody calls it clean.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

MAGIC = b"\x1f\x8b\x08"
_GZIP_WINDOW = 31
#: Unpacked bytes of one text.
MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Inflated:
    """Unpacked bytes; ``whole`` tells that the stream ended within limit and text."""

    data: bytes = field(repr=False)
    whole: bool


def inflate(packed: bytes) -> Inflated | None:
    """What a gzip stream unpacks to; None where it is none."""
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        data = stream.decompress(packed, MOST_BYTES)
    except zlib.error:
        return None
    return Inflated(data, stream.eof)
