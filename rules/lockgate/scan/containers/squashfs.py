"""squashfs images (kernel documentation, filesystems/squashfs): the files they hold.

Rules enforced here:

1. Folders are followed once each, so circles end; every file is unpacked block by block.
2. Blocks and fragments packed by a method without a reader (lzo, lzma) are a gap.
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import (
    Broken,
    Member,
    Problem,
    require_access,
)
from lockgate.scan.containers.squashfs_tables import (
    MAGIC,
    Metadata,
    Superblock,
    Unpack,
    parse_superblock,
    unpacker,
)
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream, zeros

_FOLDER, _FILE, _LONG_FOLDER, _LONG_FILE = 1, 2, 8, 9
_NO_FRAGMENT = 0xFFFFFFFF
#: A data block that stands as it is has this bit set in its length.
_AS_IT_IS = 1 << 24
#: Bytes of all folders together, files that are listed in all, and blocks of one file.
_FOLDER_BYTES = 128 << 20
_FILES = 200_000
_BLOCKS = 1 << 22
_FRAGMENTS_KEPT = 8


@dataclass(frozen=True, slots=True)
class Squashfs:
    """A file system image."""

    name: str = "squashfs"

    def recognises(self, head: bytes) -> bool:
        """The magic of a little-endian image."""
        return head.startswith(MAGIC)

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every file with content."""
        access = require_access(stream, self.name)
        superblock = parse_superblock(access.read_at(0, 96))
        if superblock is None:
            yield Problem(GapReason.UNSUPPORTED, "squashfs of another version: scanned raw only")
            return
        unpack = unpacker(superblock.method)
        if unpack is None:
            detail = f"squashfs compression {superblock.method}: scanned raw only"
            yield Problem(GapReason.UNSUPPORTED, detail)
            return
        if superblock.size > access.size:
            missing = superblock.size - access.size
            detail = "file system ends early"
            yield Problem(GapReason.TRUNCATED, detail, None, access.size, missing)
        yield from _Reader(access, superblock, unpack).members()
        # mksquashfs pads images to 4 KiB; zeros are no gap.
        stream.skip(superblock.size - stream.position)


@dataclass(frozen=True, slots=True)
class _File:
    """Where a file's blocks start, how long they are packed, and its share of a fragment."""

    size: int
    start: int
    fragment: int
    fragment_offset: int
    lengths: bytes = field(repr=False)


class _Reader:
    """Goes through one image."""

    def __init__(self, access: RandomAccess, superblock: Superblock, unpack: Unpack) -> None:
        self._access = access
        self._superblock = superblock
        self._unpack = unpack
        self._metadata = Metadata(access, unpack)
        self._fragments: OrderedDict[int, bytes] = OrderedDict()

    def members(self) -> Iterator[Member | Problem]:
        """All files, folder by folder."""
        waiting: deque[tuple[bytes, int]] = deque([(b"", self._superblock.root)])
        seen, left = {self._superblock.root}, _FOLDER_BYTES
        while waiting:
            path, reference = waiting.popleft()
            try:
                listing = self._listing(reference)
                left -= len(listing)
                for name, child, kind in _entries(listing):
                    if len(seen) > _FILES or left < 0:
                        yield Problem(GapReason.MEMBER_LIMIT, "more files than the limit")
                        return
                    if child in seen:
                        continue
                    seen.add(child)
                    full = path + b"/" + name if path else name
                    if kind == _FOLDER:
                        waiting.append((full, child))
                    elif kind == _FILE:
                        yield from self._member(full, child)
            except Broken as fault:
                yield Problem(fault.reason, fault.detail, path or b"/")

    def _member(self, name: bytes, reference: int) -> Iterator[Member | Problem]:
        try:
            file = self._file(reference)
        except Broken as fault:
            yield Problem(fault.reason, fault.detail, name)
            return
        if file.size:
            yield Member(name, self._content(file))

    def _inode(self, reference: int, count: int) -> tuple[bytes, int, int]:
        block = self._superblock.inode_table + (reference >> 16)
        return self._metadata.read(block, reference & 0xFFFF, count)

    def _listing(self, reference: int) -> bytes:
        """The bytes of a folder."""
        raw, _, _ = self._inode(reference, 32)
        (kind,) = struct.unpack_from("<H", raw)
        if kind == _FOLDER:
            block, _, size, offset = struct.unpack_from("<IIHH", raw, 16)
        elif kind == _LONG_FOLDER:
            raw, _, _ = self._inode(reference, 40)
            _, size, block, _, _, offset = struct.unpack_from("<IIIIHH", raw, 16)
        else:
            raise Broken(GapReason.DAMAGED, "folder is none")
        if size <= 3:
            return b""
        if size > _FOLDER_BYTES:
            raise Broken(GapReason.SIZE_LIMIT, "folder longer than the limit")
        place = self._superblock.folder_table + block
        return self._metadata.read(place, offset, size - 3)[0]

    def _file(self, reference: int) -> _File:
        raw, block, offset = self._inode(reference, 32)
        (kind,) = struct.unpack_from("<H", raw)
        if kind == _FILE:
            start, fragment, fragment_offset, size = struct.unpack_from("<IIII", raw, 16)
        elif kind == _LONG_FILE:
            raw, block, offset = self._inode(reference, 56)
            start, size, _, _, fragment, fragment_offset = struct.unpack_from("<QQQIII", raw, 16)
        else:
            raise Broken(GapReason.DAMAGED, "file is none")
        blocks, rest = divmod(size, self._superblock.block_bytes)
        if fragment == _NO_FRAGMENT and rest:
            blocks += 1
        if blocks > _BLOCKS:
            raise Broken(GapReason.SIZE_LIMIT, "file in more blocks than the limit")
        lengths, _, _ = self._metadata.read(block, offset, 4 * blocks)
        return _File(size, start, fragment, fragment_offset, lengths)

    def _content(self, file: _File) -> Iterator[bytes]:
        """The unpacked bytes of a file.

        Raises:
            Broken: a block is damaged or behind the end.
        """
        left, place = file.size, file.start
        for (length,) in struct.iter_unpack("<I", file.lengths):
            wanted = min(left, self._superblock.block_bytes)
            if length:
                yield self._block(place, length)[:wanted]
            else:
                yield from zeros(wanted)
            place += length & (_AS_IT_IS - 1)
            left -= wanted
        if left and file.fragment != _NO_FRAGMENT:
            whole = self._fragment(file.fragment)
            yield whole[file.fragment_offset : file.fragment_offset + left]

    def _block(self, place: int, length: int) -> bytes:
        count = length & (_AS_IT_IS - 1)
        packed = self._access.read_at(place, count) if count <= 2 << 20 else b""
        if len(packed) < count:
            raise Broken(GapReason.TRUNCATED, "block behind the end of the image")
        if length & _AS_IT_IS:
            return packed
        unpacked = self._unpack(packed, self._superblock.block_bytes)
        if unpacked is None:
            raise Broken(GapReason.DAMAGED, "block is damaged")
        return unpacked

    def _fragment(self, number: int) -> bytes:
        if number not in self._fragments:
            place = self._superblock.fragment_table + number // 512 * 8
            table = int.from_bytes(self._access.read_at(place, 8), "little")
            entry, _, _ = self._metadata.read(table, number % 512 * 16, 16)
            start, length = struct.unpack_from("<QI", entry)
            self._fragments[number] = self._block(start, length)
            if len(self._fragments) > _FRAGMENTS_KEPT:
                self._fragments.popitem(last=False)
        return self._fragments[number]


def _entries(listing: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, reference to the inode, and type, of every entry of a folder."""
    at = 0
    while at + 12 <= len(listing):
        count, block, _ = struct.unpack_from("<III", listing, at)
        at += 12
        for _ in range(min(count + 1, 256)):
            if at + 8 > len(listing):
                return
            offset, _, kind, length = struct.unpack_from("<HhHH", listing, at)
            name = listing[at + 8 : at + 9 + length]
            at += 9 + length
            yield name, block << 16 | offset, kind
