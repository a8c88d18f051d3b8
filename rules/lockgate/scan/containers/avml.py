"""AVML's compressed images (version 2): ranges of physical memory in the snappy framing format.

For each range a header as LiME's with magic ``AVML`` and version 2, a framed stream (google/
snappy, framing_format.txt), and the packed size as a 64-bit number. Without compression AVML
writes LiME (:mod:`lime`).

Rules enforced here:

1. Each range is a member, named by its first address; addresses are physical, page tables are
   not followed.
2. A chunk of the framing holds at most 65536 bytes, and says how many before it is unpacked;
   reserved chunks that may be skipped are.
3. A range ends when its bytes are complete; one that is not is damaged or cut short.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.lime import HEADER
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_MAGIC, _VERSION = b"AVML", 2
_PACKED, _PLAIN, _SKIPPABLE = 0, 1, range(0x80, 0x100)
_CHUNK_BYTES = 65536
_CHECKSUM_BYTES = 4
_SIZE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Avml:
    """A compressed AVML image."""

    name: str = "AVML"

    def recognises(self, head: bytes) -> bool:
        """A whole first header."""
        return _range(head) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every range.

        Raises:
            Broken: a range is damaged or cut short; the next one cannot be found then.
        """
        while (found := _range(stream.peek(HEADER.size))) is not None:
            address, length = found
            stream.skip(HEADER.size)
            memory = MemoryMap((Region(address, 0, length),), physical=True)
            yield Member(b"%#x" % address, _unpack(stream, length), memory=memory)
            stream.skip(_SIZE_BYTES)
        rest = stream.peek(HEADER.size)
        if rest.strip(b"\0"):
            yield Problem(GapReason.DAMAGED, "a range without its header", None, stream.position)


def _range(head: bytes) -> tuple[int, int] | None:
    if len(head) < HEADER.size:
        return None
    magic, version, first, last, _ = HEADER.unpack_from(head)
    if (magic, version) != (_MAGIC, _VERSION) or last < first:
        return None
    return first, last - first + 1


def _unpack(stream: Stream, length: int) -> Iterator[bytes]:
    left = length
    while left > 0:
        head = stream.read(4)
        if len(head) < 4:
            raise Broken(GapReason.TRUNCATED, "the range ends early")
        kind, size = head[0], int.from_bytes(head[1:], "little")
        if kind in _SKIPPABLE:
            stream.skip(size)
            continue
        piece = _chunk(kind, stream.read(size), size)
        left -= len(piece)
        yield piece


def _chunk(kind: int, packed: bytes, size: int) -> bytes:
    from cramjam import DecompressionError, snappy

    if len(packed) < size:
        raise Broken(GapReason.TRUNCATED, "the range ends early")
    if kind == _PLAIN and _CHECKSUM_BYTES < size <= _CHECKSUM_BYTES + _CHUNK_BYTES:
        return packed[_CHECKSUM_BYTES:]
    if kind != _PACKED:
        raise Broken(GapReason.DAMAGED, "an unknown chunk in the range")
    piece = bytearray(_CHUNK_BYTES)
    try:
        count = snappy.decompress_raw_into(packed[_CHECKSUM_BYTES:], piece)
    except DecompressionError:
        count = 0
    if not count:
        raise Broken(GapReason.DAMAGED, "a chunk of the range does not unpack")
    return bytes(piece[:count])
