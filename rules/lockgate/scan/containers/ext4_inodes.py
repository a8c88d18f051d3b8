"""Inodes of ext2, ext3 and ext4, and where their content stands.

Rules enforced here:

1. A number that points outside the image, or a tree deeper than the format allows, is damage of
   the file that it belongs to (:class:`Broken`), never of the whole image.
2. A file has as many extents as the limit at most; unwritten extents are holes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from lockgate.scan.containers.container import Broken
from lockgate.scan.containers.extents import Extent
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess

_MAGIC = 0xEF53
#: Where the superblock stands (bytes).
_SUPERBLOCK = 1024
_INCOMPAT_META_GROUPS, _INCOMPAT_64BIT, _INCOMPAT_JOURNAL_DEVICE = 0x10, 0x80, 0x8
_INCOMPAT_COMPRESSION = 0x1
_ENCRYPTED, _EXTENTS, _INLINE = 0x800, 0x80000, 0x10000000
_EXTENT_MAGIC, _EXTENT_DEPTH = 0xF30A, 5
_UNWRITTEN = 32768
#: Runs of one file that are followed: four million blocks that an old map lists one by one.
_MOST_RUNS = 1 << 22
#: Runs among which a file's first content is looked for.
_FIRST_RUNS = 64
#: Runs that stand apart.
_MOST_EXTENTS = 100_000
_XATTR_MAGIC = 0xEA020000
#: First block of the file, first block of the image (None: a hole), and how many.
_Run = tuple[int, int | None, int]


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode: type of file, length, flags, the block map, and content kept inside."""

    kind: int
    size: int
    flags: int
    block_map: bytes = field(repr=False)
    inline: bytes | None = field(repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether fscrypt has encrypted the content."""
        return bool(self.flags & _ENCRYPTED)


@dataclass(frozen=True, slots=True)
class Filesystem:
    """What the superblock says."""

    block_bytes: int
    blocks: int
    inodes: int
    inodes_per_group: int
    inode_bytes: int
    descriptor_bytes: int
    incompatible: int

    @property
    def size(self) -> int:
        """Bytes of the whole file system."""
        return self.blocks * self.block_bytes

    @property
    def obstacle(self) -> str | None:
        """A feature that hides where things stand, if there is one."""
        for feature, name in (
            (_INCOMPAT_META_GROUPS, "meta block groups"),
            (_INCOMPAT_JOURNAL_DEVICE, "a journal device"),
            (_INCOMPAT_COMPRESSION, "compression"),
        ):
            if self.incompatible & feature:
                return f"ext4 with {name}: scanned raw only"
        return None

    def inode(self, access: RandomAccess, number: int) -> Inode:
        """One inode by its number.

        Raises:
            Broken: there is no such inode.
        """
        group, index = divmod(number - 1, self.inodes_per_group)
        if not 0 < number <= self.inodes:
            raise Broken(GapReason.DAMAGED, "inode outside its table")
        table = self._inode_table(access, group)
        raw = access.read_at(table * self.block_bytes + index * self.inode_bytes, self.inode_bytes)
        if len(raw) < 128:
            raise Broken(GapReason.TRUNCATED, "inode behind the end of the image")
        mode, low = struct.unpack_from("<H2xI", raw)
        (flags,) = struct.unpack_from("<I", raw, 32)
        (high,) = struct.unpack_from("<I", raw, 108)
        kind = mode & 0xF000
        size = low | high << 32 if kind == 0x8000 else low
        inline = raw[40:100] + _inline_rest(raw) if flags & _INLINE else None
        return Inode(kind, size, flags, raw[40:100], inline)

    def _inode_table(self, access: RandomAccess, group: int) -> int:
        behind_superblock = (_SUPERBLOCK // self.block_bytes + 1) * self.block_bytes
        start = behind_superblock + group * self.descriptor_bytes
        raw = access.read_at(start, self.descriptor_bytes)
        if len(raw) < 32:
            raise Broken(GapReason.TRUNCATED, "group descriptor behind the end of the image")
        low = int.from_bytes(raw[8:12], "little")
        high = int.from_bytes(raw[40:44], "little") if self.descriptor_bytes >= 64 else 0
        return low | high << 32

    def extents(self, access: RandomAccess, inode: Inode) -> list[Extent]:
        """Where the content stands, in order, holes among it, up to the file's size.

        Raises:
            Broken: the tree or the map is broken.
        """
        joined = self._joined(self._runs(access, inode), inode.size)
        extents = list(islice(joined, _MOST_EXTENTS + 1))
        if len(extents) > _MOST_EXTENTS:
            raise Broken(GapReason.SIZE_LIMIT, "file in more pieces than the limit")
        return extents

    def first_place(self, access: RandomAccess, inode: Inode) -> int:
        """The offset of the first content, 0 if there is none outside the inode.

        Raises:
            Broken: the tree or the map is broken.
        """
        runs = islice(self._runs(access, inode), _FIRST_RUNS)
        first = next((physical for _, physical, _ in runs if physical is not None), 0)
        return first * self.block_bytes

    def _runs(self, access: RandomAccess, inode: Inode) -> Iterator[_Run]:
        if inode.flags & _EXTENTS:
            return self._tree(access, inode.block_map, _EXTENT_DEPTH)
        return self._mapped(access, inode)

    def _joined(self, runs: Iterator[_Run], size: int) -> Iterator[Extent]:
        """Runs as extents, neighbours made one; what no run names is a hole."""
        at, pending = 0, Extent(None, 0)
        for count, (logical, physical, blocks) in enumerate(runs):
            first = logical * self.block_bytes
            if first < at:
                raise Broken(GapReason.DAMAGED, "extents overlap or are out of order")
            if count > _MOST_RUNS:
                raise Broken(GapReason.SIZE_LIMIT, "file in more pieces than the limit")
            start = None if physical is None else physical * self.block_bytes
            for piece in (Extent(None, first - at), Extent(start, blocks * self.block_bytes)):
                if _follows(pending, piece):
                    pending = Extent(pending.start, pending.length + piece.length)
                elif piece.length:
                    if pending.length:
                        yield pending
                    pending = piece
            at = first + blocks * self.block_bytes
        if pending.length:
            yield pending
        if at < size:
            yield Extent(None, size - at)

    def _tree(self, access: RandomAccess, node: bytes, depth_left: int) -> Iterator[_Run]:
        magic, entries, _, depth = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or depth > depth_left or 12 + 12 * entries > len(node):
            raise Broken(GapReason.DAMAGED, "extent tree is broken")
        for at in range(12, 12 + 12 * entries, 12):
            if depth:
                _, low, high = struct.unpack_from("<IIH", node, at)
                child = access.read_at((low | high << 32) * self.block_bytes, self.block_bytes)
                if len(child) < self.block_bytes:
                    raise Broken(GapReason.TRUNCATED, "extent tree behind the end")
                yield from self._tree(access, child, depth - 1)
                continue
            logical, length, high, low = struct.unpack_from("<IHHI", node, at)
            written = length <= _UNWRITTEN
            blocks = length if written else length - _UNWRITTEN
            yield logical, (low | high << 32) if written else None, blocks

    def _mapped(self, access: RandomAccess, inode: Inode) -> Iterator[_Run]:
        """Blocks of the old map: twelve direct, then one each of one to three levels."""
        wanted = -(-inode.size // self.block_bytes)
        logical = 0
        for index, number in enumerate(struct.unpack("<15I", inode.block_map)):
            for block, count in self._leaves(access, number, max(0, index - 11), wanted - logical):
                yield logical, block or None, count
                logical += count
            if logical >= wanted:
                return

    def _leaves(
        self, access: RandomAccess, number: int, level: int, wanted: int
    ) -> Iterator[tuple[int, int]]:
        """Blocks under one pointer and how many of each, 0 for a hole, ``wanted`` at most."""
        under = (self.block_bytes // 4) ** level
        if not level or not number:
            yield number, min(under, wanted)
            return
        raw = access.read_at(number * self.block_bytes, self.block_bytes)
        if len(raw) < self.block_bytes:
            raise Broken(GapReason.TRUNCATED, "block map behind the end of the image")
        for (child,) in struct.iter_unpack("<I", raw):
            if wanted <= 0:
                return
            yield from self._leaves(access, child, level - 1, wanted)
            wanted -= under // (self.block_bytes // 4)


def _follows(low: Extent, high: Extent) -> bool:
    if low.start is None or high.start is None:
        return low.start is high.start and low.length > 0
    return low.start + low.length == high.start


def _inline_rest(raw: bytes) -> bytes:
    """What of inline content stands in the attribute ``system.data`` behind the inode."""
    if len(raw) < 160:
        return b""
    base = 128 + int.from_bytes(raw[128:130], "little")
    if int.from_bytes(raw[base : base + 4], "little") != _XATTR_MAGIC:
        return b""
    at = first = base + 4
    while at + 16 <= len(raw) and raw[at : at + 4] != bytes(4):
        length, kind, place, _, size = struct.unpack_from("<BBHII", raw, at)
        if kind == 7 and raw[at + 16 : at + 16 + length] == b"data":
            return raw[first + place : first + place + size]
        at += (16 + length + 3) & ~3
    return b""


def parse_superblock(raw: bytes) -> Filesystem | None:
    """The superblock, None if its numbers do not fit together."""
    if len(raw) < 1024 or int.from_bytes(raw[56:58], "little") != _MAGIC:
        return None
    inodes, low = struct.unpack_from("<II", raw)
    (log_block,) = struct.unpack_from("<I", raw, 24)
    (per_group,) = struct.unpack_from("<I", raw, 40)
    (revision,) = struct.unpack_from("<I", raw, 76)
    (inode_bytes,) = struct.unpack_from("<H", raw, 88)
    (incompatible,) = struct.unpack_from("<I", raw, 96)
    (descriptor,) = struct.unpack_from("<H", raw, 254)
    wide = bool(incompatible & _INCOMPAT_64BIT)
    (high,) = struct.unpack_from("<I", raw, 336) if wide else (0,)
    inode_bytes = inode_bytes if revision else 128
    if log_block > 6 or not per_group or not low | high or inode_bytes < 128:
        return None
    return Filesystem(
        block_bytes=1024 << log_block,
        blocks=low | high << 32,
        inodes=inodes,
        inodes_per_group=per_group,
        inode_bytes=inode_bytes,
        descriptor_bytes=max(32, descriptor) if wide else 32,
        incompatible=incompatible,
    )
