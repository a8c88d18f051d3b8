"""Compressed single streams: one loop for every decompressor of the standard shape.

Rules enforced here:

1. Members that follow one another (RFC 1952 section 2.2, RFC 8878 section 3.1) are one stream.
2. Bytes behind the last member that start no new one are left to the raw scan; they are no
   damage, because archives on tape and block devices are padded.
3. Output is given in pieces of at most one block, however far a byte may expand.
"""

from __future__ import annotations

import zlib
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
    ahead = 0
    while not inflater.eof:
        packed = b""
        if inflater.needs_input:
            stream.read(ahead)
            packed = stream.peek(_PACKED_BYTES)[:_PACKED_BYTES]
            if not packed:
                raise Broken(GapReason.TRUNCATED, "compressed data ends early")
            ahead = len(packed)
        unpacked = _step(inflater, packed, errors)
        if unpacked:
            yield unpacked
    stream.read(ahead - len(inflater.unused_data))


def unpack_sized(
    chunks: Iterator[bytes], inflater: Inflater, errors: type[Exception], size: int | None = None
) -> Iterator[bytes]:
    """The unpacked bytes of ``chunks``: ``size`` of them, or up to the packed data's own end.

    Raises:
        Broken: truncated, or damaged.
    """
    left = size
    while not inflater.eof and left != 0:
        packed = next(chunks, b"") if inflater.needs_input else b""
        if inflater.needs_input and not packed:
            raise Broken(GapReason.TRUNCATED, "compressed data ends early")
        unpacked = _step(inflater, packed, errors)
        if left is not None:
            unpacked = unpacked[:left]
            left -= len(unpacked)
        if unpacked:
            yield unpacked
    if left:
        raise Broken(GapReason.TRUNCATED, "compressed data unpacks to less than promised")


def _step(inflater: Inflater, packed: bytes, errors: type[Exception]) -> bytes:
    try:
        return inflater.decompress(packed, READ_BYTES)
    except errors:
        raise Broken(GapReason.DAMAGED, "compressed data is damaged") from None


def unpack_all(
    stream: Stream,
    begin: Callable[[], Inflater],
    errors: type[Exception],
    starts: Callable[[bytes], bool],
) -> Iterator[bytes]:
    """The unpacked bytes of all packed members that follow one another."""
    while starts(stream.peek(16)):
        yield from unpack_one(stream, begin(), errors)


def within(stream: Stream, window: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """``chunks``, whose decompressor keeps ``window`` bytes, taken from the stream's budget.

    Raises:
        Broken: there are not as many left.
    """
    budget = stream.budget
    if budget is not None and not budget.take(window):
        raise Broken(GapReason.SIZE_LIMIT, "unpacking needs more memory than the limit")
    try:
        yield from chunks
    finally:
        if budget is not None:
            budget.left += window


def checked(chunks: Iterator[bytes], crc: int | None) -> Iterator[bytes]:
    """``chunks``, whose CRC-32 must be ``crc`` if that is known.

    Raises:
        Broken: it is another one.
    """
    seen = 0
    for chunk in chunks:
        seen = zlib.crc32(chunk, seen)
        yield chunk
    if crc is not None and seen != crc:
        raise Broken(GapReason.DAMAGED, "content with another checksum")
