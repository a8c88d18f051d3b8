"""Compressed single streams: one loop for every decompressor of the standard shape.

Rules enforced here:

1. Members that follow one another (RFC 1952 section 2.2, RFC 8878 section 3.1) are one stream.
2. Bytes behind the last member that start no new one are left to the raw scan; they are no
   damage, because archives on tape and block devices are padded.
3. Output is given in pieces of at most one block, however far a byte may expand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from lockgate.scan.containers.container import Broken
from lockgate.scan.report import GapReason
from lockgate.scan.source import READ_BYTES, Stream

_PACKED_BYTES = 1 << 16


class Inflater(Protocol):
    """A decompressor that gives at most ``most`` bytes per call."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data has been read."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed before it can give any."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Packed bytes given to it that lie behind the end."""
        ...

    def decompress(self, packed: bytes, most: int) -> bytes:
        """Up to ``most`` unpacked bytes."""
        ...


def unpack_one(stream: Stream, inflater: Inflater, errors: type[Exception]) -> Iterator[bytes]:
    """The unpacked bytes of one packed member; leaves the stream right behind it.

    Raises:
        Broken: truncated, or damaged.
    """
    while not inflater.eof:
        packed = b""
        if inflater.needs_input:
            packed = stream.peek(_PACKED_BYTES)
            if not packed:
                raise Broken(GapReason.TRUNCATED, "compressed data ends early")
        try:
            unpacked = inflater.decompress(packed, READ_BYTES)
        except errors:
            raise Broken(GapReason.DAMAGED, "compressed data is damaged") from None
        stream.read(len(packed) - (len(inflater.unused_data) if inflater.eof else 0))
        if unpacked:
            yield unpacked


def unpack_all(
    stream: Stream,
    begin: Callable[[], Inflater],
    errors: type[Exception],
    starts: Callable[[bytes], bool],
) -> Iterator[bytes]:
    """The unpacked bytes of all packed members that follow one another."""
    while starts(stream.peek(16)):
        yield from unpack_one(stream, begin(), errors)
