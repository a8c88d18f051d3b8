"""The header of a 7z archive (7zFormat.txt of the LZMA SDK): folders, streams and names.

Rules enforced here:

1. Every count is checked against what is left of the header or against a limit before anything
   of that many parts is made; a broken header is damage of the whole archive.
2. Attributes, times and checksums are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lockgate.scan.containers.container import Broken
from lockgate.scan.report import GapReason

_END, _, _ARCHIVE, _, _STREAMS, _FILES, _PACK, _UNPACK, _SUB, _SIZE, _CRC, _FOLDER = range(12)
_UNPACK_SIZE, _COUNT, _EMPTY, _NAMES = 12, 13, 14, 17
#: Files, and folders (runs of files that are packed together), of one archive.
_MOST_FILES = 200_000
_MOST_FOLDERS = 100_000
_MOST_CODERS = 8


@dataclass(frozen=True, slots=True)
class Coder:
    """One step of unpacking: its method and properties, and how much it gives."""

    method: bytes
    properties: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Folder:
    """Files packed together: the steps from the packed bytes on, or None if they branch."""

    coders: tuple[Coder, ...] | None
    methods: frozenset[bytes]
    packed: tuple[tuple[int, int], ...]
    size: int
    crc: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """One file: its name, which folder holds it (None: it is empty), length and CRC-32."""

    name: bytes
    folder: int | None
    size: int
    crc: int | None = None


_Content = tuple[int, int | None]


@dataclass(slots=True)
class _Streams:
    """Folders, and length and CRC-32 of the files in each."""

    folders: list[Folder] = field(default_factory=list)
    files: list[list[_Content]] = field(default_factory=list)


def damaged() -> Broken:
    """What a broken header is."""
    return Broken(GapReason.DAMAGED, "7z header is broken")


class _Bytes:
    """Reads the header from front to end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if not 0 <= count <= len(self._data) - self._at:
            raise damaged()
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def byte(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """A number of one to nine bytes: the first tells how many follow."""
        first, mask, value = self.byte(), 0x80, 0
        for index in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * index)
            value |= self.byte() << (8 * index)
            mask >>= 1
        return value

    def count(self, most: int) -> int:
        """A number that is not larger than ``most``."""
        value = self.number()
        if value > most:
            raise Broken(GapReason.MEMBER_LIMIT, "7z archive with more parts than the limit")
        return value

    def bits(self, count: int) -> list[bool]:
        """``count`` bits, the highest of each byte first."""
        raw = self.take((count + 7) // 8)
        return [bool(raw[i // 8] >> (7 - i % 8) & 1) for i in range(count)]

    def marked(self, count: int) -> list[bool]:
        """``count`` bits, or one byte that says that all are set."""
        return [True] * count if self.byte() else self.bits(count)


def read_folders(data: bytes) -> list[Folder]:
    """The folders of an encoded header (what stands behind its first byte).

    Raises:
        Broken: it is damaged, or has more parts than the limit.
    """
    return _read_streams(_Bytes(data)).folders


def read_header(data: bytes) -> tuple[list[Folder], list[File]]:
    """Folders and files of a plain header (what stands behind its first byte).

    Raises:
        Broken: it is damaged, or has more parts than the limit.
    """
    reader = _Bytes(data)
    streams = _Streams()
    names: list[bytes] = []
    empty: list[bool] = []
    while (kind := reader.number()) != _END:
        if kind == _STREAMS:
            streams = _read_streams(reader)
        elif kind == _FILES:
            names, empty = _read_files(reader)
        elif kind == _ARCHIVE:
            while reader.number() != _END:
                reader.take(reader.number())
        else:
            raise damaged()
    filled = iter([(i, size, crc) for i, files in enumerate(streams.files) for size, crc in files])
    files = [
        File(name, None, 0) if is_empty else File(name, *next(filled, (None, 0, None)))
        for name, is_empty in zip(names, empty, strict=True)
    ]
    return streams.folders, files + [File(b"", *content) for content in filled]


def _read_streams(reader: _Bytes) -> _Streams:
    streams = _Streams()
    packed: list[tuple[int, int]] = []
    while (kind := reader.number()) != _END:
        if kind == _PACK:
            packed = _read_packed(reader)
        elif kind == _UNPACK:
            streams.folders = _read_folders(reader, packed)
            streams.files = [[(folder.size, folder.crc)] for folder in streams.folders]
        elif kind == _SUB:
            streams.files = _read_substreams(reader, streams.folders)
        else:
            raise damaged()
    return streams


def _read_packed(reader: _Bytes) -> list[tuple[int, int]]:
    """Where packed streams start (behind the first header) and how long they are."""
    place, count = reader.number(), reader.count(_MOST_FOLDERS)
    sizes: list[int] = []
    while (kind := reader.number()) != _END:
        if kind == _SIZE:
            sizes = [reader.number() for _ in range(count)]
        elif kind == _CRC:
            _read_digests(reader, count)
        else:
            raise damaged()
    packed = []
    for size in sizes:
        packed.append((place, size))
        place += size
    return packed


def _read_digests(reader: _Bytes, count: int) -> list[int | None]:
    """The CRC-32 of each of ``count`` streams, None where there is none."""
    defined = reader.marked(count)
    return [int.from_bytes(reader.take(4), "little") if known else None for known in defined]


def _read_folders(reader: _Bytes, packed: list[tuple[int, int]]) -> list[Folder]:
    if reader.number() != _FOLDER:
        raise damaged()
    count = reader.count(_MOST_FOLDERS)
    if reader.byte():
        raise Broken(GapReason.UNSUPPORTED, "7z header kept elsewhere")
    shapes = [_read_shape(reader) for _ in range(count)]
    if reader.number() != _UNPACK_SIZE:
        raise damaged()
    folders, first = [], 0
    for shape in shapes:
        sizes = [reader.number() for _ in range(shape.outputs)]
        folders.append(shape.folder(sizes, packed[first : first + shape.inputs]))
        first += shape.inputs
    while (kind := reader.number()) != _END:
        if kind != _CRC:
            raise damaged()
        digests = _read_digests(reader, count)
        folders = [replace(f, crc=crc) for f, crc in zip(folders, digests, strict=True)]
    return folders


@dataclass(slots=True)
class _Shape:
    """How the coders of a folder hang together: who takes whose output."""

    coders: list[tuple[bytes, bytes]] = field(default_factory=list)
    simple: bool = True
    outputs: int = 0
    inputs: int = 0
    binds: list[tuple[int, int]] = field(default_factory=list)

    def folder(self, sizes: list[int], packed: list[tuple[int, int]]) -> Folder:
        """The folder, its coders in the order of unpacking."""
        methods = frozenset(method for method, _ in self.coders)
        bound = {out for _, out in self.binds}
        last = next((i for i in range(len(sizes)) if i not in bound), 0)
        size = sizes[last] if sizes else 0
        if not self.simple:
            return Folder(None, methods, tuple(packed), size)
        order, feeds = [last], dict(self.binds)
        while order[-1] in feeds and len(order) <= len(self.coders):
            order.append(feeds[order[-1]])
        if sorted(order) != list(range(len(self.coders))):
            raise damaged()
        coders = [Coder(*self.coders[i], sizes[i]) for i in reversed(order)]
        return Folder(tuple(coders), methods, tuple(packed), size)


def _read_shape(reader: _Bytes) -> _Shape:
    shape = _Shape()
    inputs = 0
    for _ in range(reader.count(_MOST_CODERS)):
        flags = reader.byte()
        method = reader.take(flags & 0x0F)
        takes, gives = 1, 1
        if flags & 0x10:
            takes, gives = reader.count(_MOST_CODERS), reader.count(_MOST_CODERS)
        properties = reader.take(reader.number()) if flags & 0x20 else b""
        shape.simple = shape.simple and takes == gives == 1 and not flags & 0xC0
        shape.coders.append((method, properties))
        shape.outputs += gives
        inputs += takes
    bound = max(0, shape.outputs - 1)
    shape.binds = [(reader.number(), reader.number()) for _ in range(bound)]
    shape.inputs = inputs - bound
    if shape.inputs > 1:
        shape.simple = False
        for _ in range(shape.inputs):
            reader.number()
    return shape


def _read_substreams(reader: _Bytes, folders: list[Folder]) -> list[list[_Content]]:
    counts = [1] * len(folders)
    kind = reader.number()
    if kind == _COUNT:
        counts = [reader.count(_MOST_FILES) for _ in folders]
        kind = reader.number()
    if sum(counts) > _MOST_FILES:
        raise Broken(GapReason.MEMBER_LIMIT, "7z archive with more parts than the limit")
    sizes = []
    for count, folder in zip(counts, folders, strict=True):
        own = [reader.number() for _ in range(count - 1)] if kind == _SIZE else []
        sizes.append([*own, max(0, folder.size - sum(own))] if count else [])
    if kind == _SIZE:
        kind = reader.number()
    # A folder with one file has its checksum already, if it has one.
    known = [f.crc if count == 1 else None for f, count in zip(folders, counts, strict=True)]
    unknown = sum(
        count for crc, count in zip(known, counts, strict=True) if crc is None or count != 1
    )
    digests: list[int | None] = []
    while kind != _END:
        if kind != _CRC:
            raise damaged()
        digests = _read_digests(reader, unknown)
        kind = reader.number()
    rest = iter(digests)
    return [
        [(size, next(rest, None) if crc is None else crc) for size in own]
        for own, crc in zip(sizes, known, strict=True)
    ]


def _read_files(reader: _Bytes) -> tuple[list[bytes], list[bool]]:
    count = reader.count(_MOST_FILES)
    names, empty = [b""] * count, [False] * count
    while (kind := reader.number()) != _END:
        content = _Bytes(reader.take(reader.number()))
        if kind == _EMPTY:
            empty = content.bits(count)
        elif kind == _NAMES and not content.byte():
            names = _read_names(content, count)
    return names, empty


def _read_names(reader: _Bytes, count: int) -> list[bytes]:
    text = reader.rest().decode("utf-16-le", "replace").split("\0")
    names = [name.encode("utf-8", "replace") for name in text[:count]]
    return names + [b""] * (count - len(names))
