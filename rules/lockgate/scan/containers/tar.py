"""tar: ustar, GNU and pax archives (POSIX.1-2017 pax, GNU tar manual appendix D).

Rules enforced here:

1. Names come from the header, or from a pax or GNU long-name record before it; a name that
   climbs out is only a name, nothing is ever written.
2. A sparse member (GNU, four ways to write the map) is put together with its holes; where its
   map is broken it is scanned as it is stored, and a gap says so.
3. A header whose checksum fails is searched for no further; the rest is a gap. Zero blocks
   end an archive, and another one may follow (``tar -A``, ``cat``).
4. Only links, devices, folders and FIFOs have no content; unknown types count as files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.tar_sparse import (
    Piece,
    expanded,
    is_in_order,
    number,
    parse_map,
    read_map_in_content,
    read_old_map,
)
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_BLOCK = 512
#: Longest pax record block or GNU long name that is read (bytes); longer ones are damage.
_EXTENSION_BYTES = 1 << 20
_WITHOUT_CONTENT = frozenset(b"123456")
_SPARSE = ord("S")
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"LKxg"


@dataclass(slots=True)
class _Extensions:
    """What records before a header say about the next member."""

    name: bytes | None = None
    size: int | None = None
    sparse: bool = False
    map_in_content: bool = False
    pieces: list[Piece] | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of one header block that matter here."""

    name: bytes
    size: int
    kind: int
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tar:
    """A tar archive."""

    name: str = "tar"

    def recognises(self, head: bytes) -> bool:
        """A first header with a right checksum, or with the magic of POSIX and GNU."""
        return _parse(head[:_BLOCK]) is not None or head[257:262] == b"ustar"

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every member with content, in order."""
        extensions = _Extensions()
        ended = False
        while True:
            start = stream.position
            block = stream.peek(_BLOCK)
            header = _parse(block)
            if block and not block.strip(b"\0"):
                stream.skip(len(block))
                ended = True
                continue
            if header is None:
                if not ended:
                    yield _bad_end(block, start)
                return
            stream.skip(_BLOCK)
            ended = False
            if header.kind in {_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL}:
                if header.size > _EXTENSION_BYTES:
                    yield Problem(GapReason.DAMAGED, "tar extension too long", None, start)
                    return
                _extend(extensions, header, stream.read(header.size))
                stream.skip(-header.size % _BLOCK)
                continue
            yield from _content(stream, header, extensions)
            extensions = _Extensions()


def _bad_end(block: bytes, start: int) -> Problem:
    if len(block) < _BLOCK:
        return Problem(GapReason.TRUNCATED, "tar without its end blocks", None, start)
    return Problem(GapReason.DAMAGED, "tar header without a right checksum", None, start)


def _content(
    stream: Stream, header: _Header, extensions: _Extensions
) -> Iterator[Member | Problem]:
    name = extensions.name or header.name
    size = header.size if extensions.size is None else extensions.size
    if header.kind in _WITHOUT_CONTENT:
        stream.skip(size + -size % _BLOCK)
        return
    is_sparse = header.kind == _SPARSE or extensions.sparse
    content, start = stream.position, stream.position
    pieces: list[Piece] | None = None
    if is_sparse:
        pieces = _read_map(stream, header, extensions)
        content = stream.position
        start = content if header.kind == _SPARSE else start
    stop = start + size
    if pieces is not None and is_in_order(pieces, stop - content):
        yield Member(name, expanded(stream, pieces))
    else:
        if is_sparse:
            yield Problem(GapReason.DAMAGED, "sparse tar member, scanned as stored", name, start)
        left = max(0, stop - content)
        yield Member(name, stream.take(left), stored_at=content, size=left)
    stream.skip(max(0, stop - stream.position))
    if stream.position < stop:
        missing = stop - stream.position
        yield Problem(GapReason.TRUNCATED, "tar member ends early", name, stream.position, missing)
    else:
        stream.skip(-size % _BLOCK)


def _read_map(stream: Stream, header: _Header, extensions: _Extensions) -> list[Piece] | None:
    if header.kind == _SPARSE:
        return read_old_map(stream, header.raw)
    if extensions.map_in_content:
        return read_map_in_content(stream)
    return extensions.pieces


def _extend(extensions: _Extensions, header: _Header, content: bytes) -> None:
    if header.kind == _LONG_NAME:
        extensions.name = content.rstrip(b"\0")
    elif header.kind == _PAX:
        _extend_by_pax(extensions, content)


def _extend_by_pax(extensions: _Extensions, records: bytes) -> None:
    """Records of the form ``LENGTH KEY=VALUE NEWLINE``; a broken one ends the list."""
    while records:
        length, _, _ = records.partition(b" ")
        if not length.isdigit() or len(length) > 9 or not 0 < int(length) <= len(records):
            return
        record, records = records[len(length) + 1 : int(length) - 1], records[int(length) :]
        key, _, value = record.partition(b"=")
        if key == b"path":
            extensions.name = value
        elif key == b"size" and value.isdigit() and len(value) < 20:
            extensions.size = int(value)
        elif key.startswith(b"GNU.sparse."):
            extensions.sparse = True
            _extend_by_sparse(extensions, key[11:], value)


def _extend_by_sparse(extensions: _Extensions, key: bytes, value: bytes) -> None:
    """One record about a sparse member: its true name, or a part of its map."""
    if key == b"name":
        extensions.name = value
    elif key == b"major":
        extensions.map_in_content = value == b"1"
    elif key == b"map":
        extensions.pieces = parse_map(value)
    elif key == b"offset" and value.isdigit() and len(value) < 20:
        extensions.offset = int(value)
    elif key == b"numbytes" and value.isdigit() and len(value) < 20:
        extensions.pieces = extensions.pieces or []
        extensions.pieces.append((extensions.offset, int(value)))


def _parse(block: bytes) -> _Header | None:
    if len(block) < _BLOCK:
        return None
    checksum = number(block[148:156])
    if checksum is None or checksum not in _sums(block):
        return None
    size = number(block[124:136])
    if size is None:
        return None
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    kind = block[156]
    if kind in _WITHOUT_CONTENT:
        size = 0
    return _Header(prefix + b"/" + name if prefix else name, size, kind, block)


def _sums(block: bytes) -> tuple[int, int]:
    """The checksum over unsigned bytes, and over signed ones as old programs did."""
    plain = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(plain)
    return unsigned, unsigned - 256 * sum(byte > 0x7F for byte in plain)
