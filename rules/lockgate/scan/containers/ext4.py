"""ext2, ext3 and ext4 images (kernel documentation, filesystems/ext4): the files they hold.

Rules enforced here:

1. All bytes of the image are scanned raw, free space and journal among them; members are the
   files that folders name, so that what is packed or in pieces is read too.
2. Folders are followed once each, so links in circles end; extent trees and block maps are
   bounded in depth and in entries.
3. Encrypted files, and features that change where bytes stand, are gaps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem, require_access
from lockgate.scan.containers.ext4_inodes import Filesystem, Inode, parse_superblock
from lockgate.scan.containers.extents import Extent, placed_member
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_ROOT = 2
#: Bytes of all folders together, and files that are listed in all.
_FOLDER_BYTES = 128 << 20
_FILES = 200_000
_FILE, _FOLDER = 0x8000, 0x4000


@dataclass(frozen=True, slots=True)
class _Named:
    """A file to be read: its name, its inode, and where its first bytes stand."""

    place: int
    name: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Ext4:
    """A file system image."""

    name: str = "ext4"

    def recognises(self, head: bytes) -> bool:
        """A superblock whose numbers fit together."""
        return parse_superblock(head[1024:2048]) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every file with content, in the order in which they stand."""
        access = require_access(stream, self.name)
        filesystem = parse_superblock(access.read_at(1024, 1024))
        if filesystem is None:
            yield Problem(GapReason.DAMAGED, "superblock is broken")
            return
        if filesystem.obstacle is not None:
            yield Problem(GapReason.UNSUPPORTED, filesystem.obstacle)
            return
        listed: list[_Named] = []
        yield from _list_files(access, filesystem, listed)
        for named in sorted(listed, key=lambda n: n.place):
            yield from _content(stream, access, filesystem, named)
        stream.skip(filesystem.size - stream.position)
        if stream.position < filesystem.size:
            missing = filesystem.size - stream.position
            detail = "file system ends early"
            yield Problem(GapReason.TRUNCATED, detail, None, stream.position, missing)


def _list_files(
    access: RandomAccess, filesystem: Filesystem, listed: list[_Named]
) -> Iterator[Problem]:
    """Go through all folders, each once; files are listed once for each name."""
    waiting: deque[tuple[bytes, int]] = deque([(b"", _ROOT)])
    seen, left = {_ROOT}, _FOLDER_BYTES
    while waiting:
        folder, number = waiting.popleft()
        try:
            inode = filesystem.inode(access, number)
            left -= inode.size
            if left < 0:
                yield Problem(GapReason.SIZE_LIMIT, "folders longer than the limit", folder or b"/")
                return
            entries = list(_entries(access, filesystem, inode))
        except Broken as fault:
            yield Problem(fault.reason, fault.detail, folder or b"/")
            continue
        for name, child in entries:
            if child in seen:
                continue
            seen.add(child)
            path = folder + b"/" + name if folder else name
            if len(seen) > _FILES:
                yield Problem(GapReason.MEMBER_LIMIT, "more files than the limit")
                return
            try:
                inode = filesystem.inode(access, child)
                if inode.kind == _FOLDER:
                    waiting.append((path, child))
                elif inode.kind == _FILE and inode.size:
                    listed.append(_Named(_first_place(access, filesystem, inode), path, child))
            except Broken as fault:
                yield Problem(fault.reason, fault.detail, path)


def _first_place(access: RandomAccess, filesystem: Filesystem, inode: Inode) -> int:
    if inode.inline is not None:
        return 0
    return filesystem.first_place(access, inode)


def _entries(
    access: RandomAccess, filesystem: Filesystem, inode: Inode
) -> Iterator[tuple[bytes, int]]:
    """Names and inode numbers of one folder (linear: an index block looks like an empty one)."""
    if inode.inline is not None:
        yield from _parse_entries(inode.inline[4:])
        return
    for extent in filesystem.extents(access, inode):
        if extent.start is None:
            continue
        for at in range(0, min(extent.length, inode.size), filesystem.block_bytes):
            yield from _parse_entries(access.read_at(extent.start + at, filesystem.block_bytes))


def _parse_entries(block: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 8 <= len(block):
        number = int.from_bytes(block[at : at + 4], "little")
        length = int.from_bytes(block[at + 4 : at + 6], "little")
        if length < 8:
            return
        name = block[at + 8 : at + 8 + block[at + 6]]
        if number and name and name not in {b".", b".."}:
            yield name, number
        at += length


def _content(
    stream: Stream, access: RandomAccess, filesystem: Filesystem, named: _Named
) -> Iterator[Member | Problem]:
    try:
        inode = filesystem.inode(access, named.number)
        if inode.is_encrypted:
            yield Problem(GapReason.ENCRYPTED, "encrypted file", named.name, named.place)
        elif inode.inline is not None:
            yield Member(named.name, iter((inode.inline[: inode.size],)))
        else:
            extents: tuple[Extent, ...] = tuple(filesystem.extents(access, inode))
            yield from placed_member(named.name, stream, access, extents, inode.size)
    except Broken as fault:
        yield Problem(fault.reason, fault.detail, named.name)
