"""Bare LZMA files: .lzma (XZ Utils, lzma-file-format.txt) and lzip (lzip manual, RFC draft).

Rule enforced here: .lzma has no magic, so its header must be one that an encoder writes
(default literal settings, a dictionary of 2^n or 2^n + 2^(n-1) bytes, a plausible size) and
its first bytes must unpack.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.packed import unpack_one, within
from lockgate.scan.containers.unlzma import begin_alone, begin_raw
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_DEFAULT_SETTINGS = 0x5D
_UNKNOWN_SIZE = b"\xff" * 8
#: Content longer than this is not believed (bytes).
_PLAUSIBLE = 1 << 40
_LZIP_TRAILER = 20
#: As much of a file without a magic must unpack (bytes); damage behind it is damage.
_FRONT_BYTES = 64


@dataclass(frozen=True, slots=True)
class LzmaAlone:
    """A .lzma file: one member without a name of its own."""

    name: str = "lzma"

    def recognises(self, head: bytes) -> bool:
        """A header that an encoder writes, and content that unpacks."""
        if len(head) < 18 or head[0] != _DEFAULT_SETTINGS or head[13]:
            return False
        dictionary = int.from_bytes(head[1:5], "little")
        usual = dictionary.bit_count() <= 2 and dictionary >= 1 << 12 and not dictionary & 0xFFF
        size = int.from_bytes(head[5:13], "little")
        return usual and (size < _PLAUSIBLE or head[5:13] == _UNKNOWN_SIZE) and _unpacks(head)

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        window = int.from_bytes(stream.peek(5)[1:], "little")
        chunks = unpack_one(stream, begin_alone(), lzma.LZMAError)
        yield Member(b"lzma", within(stream, window, chunks))


@dataclass(frozen=True, slots=True)
class Lzip:
    """An lzip file: one member without a name of its own."""

    name: str = "lzip"

    def recognises(self, head: bytes) -> bool:
        """Magic and the only version that is in use."""
        return head.startswith(b"LZIP\x01")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The unpacked stream."""
        yield Member(b"lzip", self._unpack(stream))

    def _unpack(self, stream: Stream) -> Iterator[bytes]:
        while self.recognises(head := stream.peek(6)) and len(head) == 6:
            stream.skip(6)
            size = 1 << (head[5] & 0x1F)
            size -= size // 16 * (head[5] >> 5)
            checksum = 0
            chunks = unpack_one(stream, _begin_member(size), lzma.LZMAError)
            for chunk in within(stream, size, chunks):
                checksum = zlib.crc32(chunk, checksum)
                yield chunk
            if int.from_bytes(stream.read(_LZIP_TRAILER)[:4], "little") != checksum:
                raise Broken(GapReason.DAMAGED, "content with another checksum")


def _begin_member(window: int) -> lzma.LZMADecompressor:
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": window, "lc": 3, "lp": 0, "pb": 2}]
    try:
        return begin_raw(chain)
    except lzma.LZMAError as error:
        raise Broken(GapReason.SIZE_LIMIT, "a dictionary larger than the limit") from error


def _unpacks(head: bytes) -> bool:
    try:
        begin_alone().decompress(head[:_FRONT_BYTES], 1 << 16)
    except lzma.LZMAError as error:
        return "emory" in str(error)
    return True
