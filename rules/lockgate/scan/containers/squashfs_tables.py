"""The tables of a squashfs image (kernel documentation, filesystems/squashfs): version 4.

Rules enforced here:

1. A block unpacks to its size at most; one that is damaged, or outside the image, is damage of
   the file or folder that needs it (:class:`Broken`).
2. Metadata is unpacked block by block, a few of them kept.
"""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess

MAGIC = b"hsqs"
_META_BYTES = 8192
_UNPACKED = 0x8000
#: Blocks of metadata that are kept unpacked.
_KEPT = 64

Unpack = Callable[[bytes, int], bytes | None]


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says; places in bytes."""

    block_bytes: int
    fragments: int
    method: int
    root: int
    size: int
    inode_table: int
    folder_table: int
    fragment_table: int


def parse_superblock(raw: bytes) -> Superblock | None:
    """The superblock, None if it is not of version 4 or its numbers do not fit."""
    if len(raw) < 96 or not raw.startswith(MAGIC):
        return None
    block, fragments, method = struct.unpack_from("<IIH", raw, 12)
    major, minor = struct.unpack_from("<HH", raw, 28)
    root, size = struct.unpack_from("<QQ", raw, 32)
    _, inodes, folders, table = struct.unpack_from("<QQQQ", raw, 56)
    if (major, minor) != (4, 0) or not 4096 <= block <= 1 << 20:
        return None
    return Superblock(block, fragments, method, root, size, inodes, folders, table)


class Metadata:
    """Reads through a chain of metadata blocks, each with its packed length before it."""

    def __init__(self, access: RandomAccess, unpack: Unpack) -> None:
        self._access = access
        self._unpack = unpack
        self._kept: OrderedDict[int, tuple[bytes, int]] = OrderedDict()

    def read(self, block: int, offset: int, count: int) -> tuple[bytes, int, int]:
        """``count`` bytes, and where the next ones stand (block and offset).

        Raises:
            Broken: a block is damaged or behind the end.
        """
        pieces, left = [], count
        while True:
            data, following = self._block(block)
            piece = data[offset : offset + left]
            pieces.append(piece)
            left -= len(piece)
            offset += len(piece)
            if not left:
                return b"".join(pieces), block, offset
            if not data:
                raise Broken(GapReason.DAMAGED, "metadata ends early")
            block, offset = following, 0

    def _block(self, place: int) -> tuple[bytes, int]:
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        head = self._access.read_at(place, 2)
        length = int.from_bytes(head, "little") & (_UNPACKED - 1)
        packed = self._access.read_at(place + 2, length)
        if len(head) < 2 or len(packed) < length or length > _META_BYTES:
            raise Broken(GapReason.TRUNCATED, "metadata behind the end of the image")
        plain = bool(int.from_bytes(head, "little") & _UNPACKED)
        data = packed if plain else self._unpack(packed, _META_BYTES)
        if data is None:
            raise Broken(GapReason.DAMAGED, "metadata is damaged")
        self._kept[place] = data, place + 2 + length
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[place]


def unpacker(method: int) -> Unpack | None:
    """How blocks are unpacked: by the number in the superblock; None if there is no reader."""
    return {1: _zlib, 4: _xz, 5: _lz4, 6: _zstd}.get(method)


def _zlib(packed: bytes, size: int) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(packed, size)
    except zlib.error:
        return None


def _xz(packed: bytes, size: int) -> bytes | None:
    import lzma

    from lockgate.scan.containers.unlzma import begin_xz

    try:
        return begin_xz().decompress(packed, size)
    except lzma.LZMAError:
        return None


def _lz4(packed: bytes, size: int) -> bytes | None:
    import lz4.block

    try:
        return bytes(lz4.block.decompress(packed, uncompressed_size=size))
    except lz4.block.LZ4BlockError:
        return None


def _zstd(packed: bytes, size: int) -> bytes | None:
    from lockgate.scan.containers.unzstd import unpack_block

    return unpack_block(packed, size)
