"""ISO 9660 images (ECMA-119), with Joliet names and Rock Ridge names (IEEE P1282).

Rules enforced here:

1. Folders are followed once each, so circles end; files are read where they stand, each once.
2. Names are those of Rock Ridge, else of Joliet, else the plain ones.
3. Files that Rock Ridge says are compressed (zisofs), and a UDF file system on the same disk,
   which may name other files, are gaps.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem, require_access
from lockgate.scan.containers.extents import Extent, placed_member
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_SECTOR = 2048
_FIRST = 16
_DESCRIPTORS = 64
_PRIMARY, _SUPPLEMENTARY, _END = 1, 2, 255
_JOLIET = (b"%/@", b"%/C", b"%/E")
_FOLDER, _GOES_ON = 2, 0x80
#: Bytes of all folders together, and files that are listed in all.
_FOLDER_BYTES = 128 << 20
_FILES = 200_000


@dataclass(frozen=True, slots=True)
class _Tree:
    """One way to name the files of the disk."""

    root: bytes
    is_joliet: bool
    block: int
    size: int


@dataclass(frozen=True, slots=True)
class _Record:
    """One directory record (ECMA-119 9.1)."""

    start: int
    size: int
    flags: int
    name: bytes
    zipped: bool


#: By place and length: name, where the pieces stand, and whether they are compressed.
_Files = dict[tuple[int, int], tuple[bytes, tuple[Extent, ...], bool]]


@dataclass(frozen=True, slots=True)
class Iso9660:
    """A disk image."""

    name: str = "ISO 9660"

    def recognises(self, head: bytes) -> bool:
        """The first volume descriptor."""
        return head[_FIRST * _SECTOR + 1 : _FIRST * _SECTOR + 6] == b"CD001"

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every file with content, in the order in which they stand."""
        access = require_access(stream, self.name)
        trees, behind = _trees(access)
        if b"NSR0" in access.read_at(behind, 4 * _SECTOR):
            yield Problem(GapReason.UNSUPPORTED, "UDF beside ISO 9660: scanned raw only")
        if not trees:
            yield Problem(GapReason.DAMAGED, "no volume descriptor")
            return
        files: _Files = {}
        for tree in trees:
            yield from _list_files(access, tree, files)
        for (_, size), (name, extents, zipped) in sorted(files.items()):
            if zipped:
                detail = "zisofs file scanned as stored"
                yield Problem(GapReason.UNSUPPORTED, detail, name, extents[0].start, size)
            yield from placed_member(name, stream, access, extents, size)
        promised = max(tree.size for tree in trees)
        if promised > access.size:
            missing = promised - access.size
            yield Problem(GapReason.TRUNCATED, "image ends early", None, access.size, missing)
        stream.skip(promised - stream.position)


def _trees(access: RandomAccess) -> tuple[list[_Tree], int]:
    """Root folders, that with the best names first, and where the descriptors end."""
    plain, joliet, at = [], [], _FIRST * _SECTOR
    for number in range(_FIRST, _FIRST + _DESCRIPTORS):
        at = number * _SECTOR
        raw = access.read_at(at, _SECTOR)
        if len(raw) < _SECTOR or raw[1:6] != b"CD001" or raw[0] == _END:
            break
        (block,) = struct.unpack_from("<H", raw, 128)
        size = block * int.from_bytes(raw[80:84], "little")
        if raw[0] == _PRIMARY and block:
            plain.append(_Tree(raw[156:190], is_joliet=False, block=block, size=size))
        elif raw[0] == _SUPPLEMENTARY and raw[88:91] in _JOLIET and block:
            joliet.append(_Tree(raw[156:190], is_joliet=True, block=block, size=size))
    has_rock_ridge = any(_has_rock_ridge(access, tree) for tree in plain)
    return (plain + joliet if has_rock_ridge else joliet + plain), at


def _has_rock_ridge(access: RandomAccess, tree: _Tree) -> bool:
    root = _parse(tree.root, tree)
    return root is not None and b"SP\x07\x01\xbe\xef" in access.read_at(root.start, 256)


def _list_files(
    access: RandomAccess,
    tree: _Tree,
    files: _Files,
) -> Iterator[Problem]:
    root = _parse(tree.root, tree)
    waiting = deque([] if root is None else [(b"", root)])
    seen: set[int] = set()
    left = _FOLDER_BYTES
    while waiting:
        path, folder = waiting.popleft()
        if folder.start in seen:
            continue
        seen.add(folder.start)
        left -= folder.size
        if left < 0 or len(files) + len(seen) > _FILES:
            yield Problem(GapReason.MEMBER_LIMIT, "more files than the limit", path or b"/")
            return
        if folder.start + folder.size > access.size:
            missing = folder.start + folder.size - access.size
            detail = "folder behind the end of the image"
            yield Problem(GapReason.TRUNCATED, detail, path or b"/", access.size, missing)
        pieces: list[Extent] = []
        for record in _records(access, folder, tree):
            name = path + b"/" + record.name if path else record.name
            if record.flags & _FOLDER:
                waiting.append((name, record))
                continue
            pieces.append(Extent(record.start, record.size))
            if not record.flags & _GOES_ON:
                size = sum(piece.length for piece in pieces)
                if size:
                    key = pieces[0].start or 0, size
                    files.setdefault(key, (name, tuple(pieces), record.zipped))
                pieces = []


def _records(access: RandomAccess, folder: _Record, tree: _Tree) -> Iterator[_Record]:
    """The records of a folder; none crosses the end of a sector."""
    for start in range(folder.start, folder.start + folder.size, _SECTOR):
        sector = access.read_at(start, _SECTOR)
        at = 0
        while at < len(sector) and (length := sector[at]) >= 34:
            record = _parse(sector[at : at + length], tree)
            if record is not None and record.name not in {b"", b"\0", b"\1"}:
                yield record
            at += length
        if not sector:
            return


def _parse(raw: bytes, tree: _Tree) -> _Record | None:
    if len(raw) < 34 or 33 + raw[32] > len(raw):
        return None
    (start,) = struct.unpack_from("<I", raw, 2)
    (size,) = struct.unpack_from("<I", raw, 10)
    name = raw[33 : 33 + raw[32]]
    extra = raw[33 + raw[32] + (raw[32] + 1) % 2 :]
    if tree.is_joliet and len(name) > 1:
        name = name.decode("utf-16-be", "replace").encode()
    alternate, zipped = _rock_ridge(extra)
    name = alternate or name.split(b";")[0] or name
    return _Record((start + raw[1]) * tree.block, size, raw[25], name, zipped)


def _rock_ridge(extra: bytes) -> tuple[bytes, bool]:
    """The alternate name, empty if there is none here, and whether the file is compressed."""
    name, zipped = b"", False
    while len(extra) >= 5 and extra[2] >= 4:
        kind, length = extra[:2], extra[2]
        if kind == b"NM":
            name += extra[5:length]
        zipped = zipped or kind == b"ZF"
        extra = extra[length:]
    return name, zipped
