"""xz, of one or many streams (the .xz file format, version 1.2.0)."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.packed import unpack_all
from lockgate.scan.source import Stream

#: A dictionary larger than this is refused by liblzma instead of being allocated (bytes).
_MEMORY_BYTES = 96 << 20


def _begin() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)


@dataclass(frozen=True, slots=True)
class Xz:
    """An xz file: one member without a name of its own."""

    name: str = "xz"

    def recognises(self, head: bytes) -> bool:
        """The six magic bytes."""
        return head.startswith(b"\xfd7zXZ\0")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        yield Member(b"xz", unpack_all(stream, _begin, lzma.LZMAError, self.recognises))
