"""gzip (RFC 1952), of one or many members."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.inflate import GZIP_WINDOW, Inflate
from lockgate.scan.containers.packed import unpack_all
from lockgate.scan.source import Stream


@dataclass(frozen=True, slots=True)
class Gzip:
    """A gzip file: one member without a name of its own."""

    name: str = "gzip"

    def recognises(self, head: bytes) -> bool:
        """Magic and the only method there is."""
        return head.startswith(b"\x1f\x8b\x08")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        chunks = unpack_all(stream, lambda: Inflate(GZIP_WINDOW), zlib.error, self.recognises)
        yield Member(b"gzip", chunks)
