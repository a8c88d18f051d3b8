"""xz, of one or many streams (the .xz file format, version 1.2.0)."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.packed import unpack_all, within
from lockgate.scan.containers.unlzma import begin_xz, xz_dictionary
from lockgate.scan.source import Stream


@dataclass(frozen=True, slots=True)
class Xz:
    """An xz file: one member without a name of its own."""

    name: str = "xz"

    def recognises(self, head: bytes) -> bool:
        """The six magic bytes."""
        return head.startswith(b"\xfd7zXZ\0")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        window = xz_dictionary(stream.peek(64))
        chunks = unpack_all(stream, begin_xz, lzma.LZMAError, self.recognises)
        yield Member(b"xz", within(stream, window, chunks), packed=True)
