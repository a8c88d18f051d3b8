"""7z archives (7zFormat.txt of the LZMA SDK).

Rules enforced here:

1. Files are given in the order in which folders hold them, unpacked as one stream per folder.
2. A folder that is encrypted, or packed by a method without a reader (PPMd, BCJ2), is a gap of
   every file in it; an encrypted header hides the names too and is a gap of the archive.
3. Dictionaries, headers and counts are bounded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from lockgate.scan.containers.container import Broken, Member, Problem, require_access
from lockgate.scan.containers.extents import chunks_of
from lockgate.scan.containers.packed import checked, within
from lockgate.scan.containers.sevenzip_header import (
    File,
    Folder,
    damaged,
    read_folders,
    read_header,
)
from lockgate.scan.containers.sevenzip_methods import ENCRYPTION, unpack_coder, window_of
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, SliceAccess, Stream

_MAGIC = b"7z\xbc\xaf\x27\x1c"
_FIRST_HEADER = 32
_PLAIN, _ENCODED = 1, 23
#: Longest header, packed or not (bytes).
_HEADER_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class SevenZip:
    """An archive in one volume."""

    name: str = "7z"

    def recognises(self, head: bytes) -> bool:
        """The magic."""
        return head.startswith(_MAGIC)

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every file with content."""
        access = require_access(stream, self.name)
        first = access.read_at(0, _FIRST_HEADER)
        if len(first) < _FIRST_HEADER:
            yield Problem(GapReason.TRUNCATED, "7z header ends early")
            return
        place, size = struct.unpack_from("<QQ", first, 12)
        if zlib.crc32(first[12:32]) != int.from_bytes(first[8:12], "little"):
            raise damaged()
        stop = _FIRST_HEADER + place + size
        if stop > access.size:
            yield Problem(GapReason.TRUNCATED, "7z archive ends early", None, access.size)
            return
        folders, files = _open_header(access, _FIRST_HEADER + place, size)
        for index, group in groupby(files, key=lambda f: f.folder):
            if index is not None:
                yield from _folder_members(stream, access, folders[index], list(group))
        stream.skip(stop - stream.position)


def _open_header(access: RandomAccess, place: int, size: int) -> tuple[list[Folder], list[File]]:
    """The header, unpacked as often as it is packed: twice at most."""
    if not size:
        return [], []
    if size > _HEADER_BYTES:
        raise Broken(GapReason.SIZE_LIMIT, "7z header larger than the limit")
    data = access.read_at(place, size)
    for _ in range(3):
        if data[:1] == bytes([_PLAIN]):
            return read_header(data[1:])
        if data[:1] != bytes([_ENCODED]):
            break
        folders = read_folders(data[1:])
        if len(folders) != 1 or folders[0].size > _HEADER_BYTES:
            break
        data = b"".join(_unpack(access, folders[0]))
    raise damaged()


def _folder_members(
    stream: Stream, access: RandomAccess, folder: Folder, files: list[File]
) -> Iterator[Member | Problem]:
    try:
        chunks = _unpack(access, folder)
        window = sum(window_of(coder) for coder in folder.coders or ())
        unpacked = Stream(within(stream, window, chunks))
    except Broken as broken:
        for file in files:
            start, length = folder.packed[0] if folder.packed else (0, 0)
            place = _FIRST_HEADER + start
            yield Problem(broken.reason, broken.detail, file.name, place, length)
        return
    for file in files:
        stop = unpacked.position + file.size
        yield Member(file.name, checked(unpacked.take(file.size), file.crc))
        try:
            unpacked.skip(stop - unpacked.position)
        except Broken as broken:
            yield Problem(broken.reason, broken.detail, file.name)
            return
        if unpacked.position < stop:
            yield Problem(GapReason.DAMAGED, "7z folder ends early", file.name)
            return


def _unpack(access: RandomAccess, folder: Folder) -> Iterator[bytes]:
    """The unpacked bytes of a folder.

    Raises:
        Broken: at once, when there is no reader; while unpacking, when the data is damaged.
    """
    if ENCRYPTION in folder.methods:
        raise Broken(GapReason.ENCRYPTED, "encrypted 7z folder")
    if folder.coders is None or len(folder.packed) != 1:
        raise Broken(GapReason.UNSUPPORTED, "7z method without a reader")
    start, length = folder.packed[0]
    chunks = chunks_of(SliceAccess(access, _FIRST_HEADER + start, length))
    for coder in folder.coders:
        chunks = unpack_coder(coder, chunks)
    return chunks
