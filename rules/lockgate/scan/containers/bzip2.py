"""bzip2, of one or many streams."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.packed import unpack_all
from lockgate.scan.source import Stream


@dataclass(frozen=True, slots=True)
class Bzip2:
    """A bzip2 file: one member without a name of its own."""

    name: str = "bzip2"

    def recognises(self, head: bytes) -> bool:
        """Magic, block size digit, and the magic of a block or of an empty stream."""
        blocks = (b"1AY&SY", b"\x17rE8P\x90")
        return head[:3] == b"BZh" and head[3:4].isdigit() and head[4:10] in blocks

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        chunks = unpack_all(stream, bz2.BZ2Decompressor, OSError, self.recognises)
        yield Member(b"bzip2", chunks, packed=True)
