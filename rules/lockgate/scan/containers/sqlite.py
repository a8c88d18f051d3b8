"""SQLite databases (sqlite.org/fileformat2): values that go on over overflow pages.

Rules enforced here:

1. A value inside one page is found in the raw bytes, and is a member only when it is packed. A
   cell whose payload overflows is put together from its pages, each long value a member. Pages
   are looked through one by one, wherever their b-trees hang.
2. No page in use belongs to two chains, so cycles end and all payloads together are no larger
   than the file; a broken chain is a gap, but not that of a free page, whose cells are what
   deleting has left: those together may read as many bytes as the file has.
3. Pages of an auto-vacuum's pointer map are no b-tree pages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Broken, Member, Problem, require_access
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_MAGIC = b"SQLite format 3\0"
_INDEX_INNER, _INDEX_LEAF, _TABLE_LEAF = 2, 10, 13
#: Where the bytes that lock a database stand: their page is never used.
_LOCK_BYTE = 1 << 30
#: Bytes of values by serial type, where that is not part of the type (section 2.1).
_SHORT = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8}
#: A shorter value holds nothing that is looked for.
_LONG_BYTES = 32
#: How a value inside one page starts that must be unpacked to be read.
_PACKED = (
    b"\x1f\x8b\x08", b"PK\3\4", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"\x04\x22\x4d\x18",
    b"7z\xbc\xaf", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda",
)  # fmt: skip
#: Pages looked at in one read.
_PAGES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the header of a database says about its pages."""

    page_bytes: int
    usable: int
    pages: int
    vacuums: bool
    freelist: int
    promised: int

    def local(self, payload: int, *, is_table: bool) -> int:
        """Bytes of a payload that stand in the cell's own page."""
        most = self.usable - 35 if is_table else (self.usable - 12) * 64 // 255 - 23
        if payload <= most:
            return payload
        least = (self.usable - 12) * 32 // 255 - 23
        fitting = least + (payload - least) % (self.usable - 4)
        return fitting if fitting <= most else least

    def is_pointer_map(self, number: int) -> bool:
        """Whether the page holds the pointer map of an auto-vacuum."""
        per_map = self.usable // 5 + 1
        return self.vacuums and number >= 2 and (number - 2) % per_map == 0


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell: its payload's length, what of it is in the page, the page where it goes on."""

    page: int
    index: int
    payload: int
    place: int
    local: bytes = field(repr=False)
    following: int

    @property
    def overflows(self) -> bool:
        """Whether the payload goes on over further pages."""
        return self.payload > len(self.local)

    def values(self) -> tuple[int, list[int]]:
        """How long the record's header is, and how long each of its values (section 2.1)."""
        length, at = _varint(self.local, 0)
        sizes = []
        while at < min(length, len(self.local)):
            serial, at = _varint(self.local, at)
            sizes.append((serial - 12) // 2 if serial >= 12 else _SHORT.get(serial, 0))
        return length, sizes


@dataclass(frozen=True, slots=True)
class Sqlite:
    """A database file."""

    name: str = "SQLite"

    def recognises(self, head: bytes) -> bool:
        """The magic and a page size that there is."""
        return head.startswith(_MAGIC) and _parse(head, len(head)) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every payload that overflows its page, in the order of cells."""
        access = require_access(stream, self.name)
        layout = _parse(access.read_at(0, 100), access.size)
        if layout is None:
            yield Problem(GapReason.DAMAGED, "database header is broken")
            return
        pages = _Pages(access, layout)
        for first in range(1, layout.pages + 1, _PAGES_AT_ONCE):
            start = (first - 1) * layout.page_bytes
            data = access.read_at(start, _PAGES_AT_ONCE * layout.page_bytes)
            for at in range(0, len(data), layout.page_bytes):
                number = first + at // layout.page_bytes
                if not layout.is_pointer_map(number):
                    page = data[at : at + layout.page_bytes]
                    for cell in _cells(layout, number, page):
                        yield from _members_of(cell, pages)
        stream.skip(layout.pages * layout.page_bytes - stream.position)
        if layout.promised > access.size:
            missing = layout.promised - access.size
            yield Problem(GapReason.TRUNCATED, "database ends early", None, access.size, missing)


def _members_of(cell: _Cell, pages: _Pages) -> Iterator[Member]:
    """The values of a cell that only together with other pages, or unpacked, can be read."""
    skip, sizes = cell.values()
    if not cell.overflows:
        for column, size in enumerate(sizes):
            value = cell.local[skip : skip + size]
            if value.startswith(_PACKED):
                yield Member(_name(cell, column), iter((value,)), cell.place + skip, size)
            skip += size
        return
    payload = Stream(pages.payload(cell))
    if skip + sum(sizes) != cell.payload:
        skip, sizes = 0, [cell.payload]
    stop = skip
    for column, size in enumerate(sizes):
        stop += size
        if size >= _LONG_BYTES:
            payload.skip(stop - size - payload.position)
            yield Member(_name(cell, column), payload.take(size))


def _name(cell: _Cell, column: int) -> bytes:
    return b"page %d cell %d column %d" % (cell.page, cell.index, column)


def _parse(head: bytes, size: int) -> _Layout | None:
    if len(head) < 100:
        return None
    (page_bytes,) = struct.unpack_from(">H", head, 16)
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    if page_bytes < 512 or page_bytes & (page_bytes - 1):
        return None
    usable = page_bytes - head[20]
    (freelist,) = struct.unpack_from(">I", head, 32)
    vacuums = head[52:56] != bytes(4)
    if usable < 480:
        return None
    # The count in the header is to be believed when it is as old as the last change.
    (count,) = struct.unpack_from(">I", head, 28)
    promised = count * page_bytes if head[24:28] == head[92:96] else 0
    return _Layout(page_bytes, usable, -(-size // page_bytes), vacuums, freelist, promised)


class _Pages:
    """The pages of one database: which are free, and which a chain has already used."""

    def __init__(self, access: RandomAccess, layout: _Layout) -> None:
        self._access = access
        self._layout = layout
        self._used = bytearray(layout.pages + 1)
        self._stale_bytes = access.size
        self._free = self._read_free()

    def _read_free(self) -> bytearray:
        """One byte for each page, 1 if the free list holds it; the list ends where it repeats."""
        layout = self._layout
        free = bytearray(layout.pages + 1)
        trunk = layout.freelist
        while 0 < trunk <= layout.pages and not free[trunk]:
            free[trunk] = 1
            page = self._access.read_at((trunk - 1) * layout.page_bytes, layout.usable)
            if len(page) < 8:
                break
            trunk, count = struct.unpack_from(">II", page)
            count = min(count, (len(page) - 8) // 4)
            for (leaf,) in struct.iter_unpack(">I", page[8 : 8 + 4 * count]):
                if leaf <= layout.pages:
                    free[leaf] = 1
        return free

    def payload(self, cell: _Cell) -> Iterator[bytes]:
        """The bytes of a cell: those in its page, then those of each page of its chain.

        Raises:
            Broken: the chain of a page in use ends early, or shares pages with another.
        """
        stale = bool(self._free[cell.page])
        yield cell.local
        left, following = cell.payload - len(cell.local), cell.following
        while left > 0:
            if not self._may_use(following, stale=stale):
                if stale:
                    return
                raise Broken(GapReason.DAMAGED, "value of a database ends before its length")
            start = (following - 1) * self._layout.page_bytes
            page = self._access.read_at(start, self._layout.usable)
            yield page[4 : 4 + left]
            left -= self._layout.usable - 4
            following = int.from_bytes(page[:4], "big")

    def _may_use(self, number: int, *, stale: bool) -> bool:
        """Whether a chain may go on there; what stale cells may read in all is bounded."""
        if not 0 < number <= self._layout.pages:
            return False
        if stale:
            self._stale_bytes -= self._layout.page_bytes
            return self._stale_bytes > 0
        repeated = self._used[number]
        self._used[number] = 1
        return not repeated


def _cells(layout: _Layout, number: int, page: bytes) -> Iterator[_Cell]:
    """The cells with a payload of a b-tree page; nothing of any other page."""
    start = 100 if number == 1 else 0
    kind = page[start] if len(page) > start + 12 else 0
    if kind not in {_INDEX_INNER, _INDEX_LEAF, _TABLE_LEAF}:
        return
    (count,) = struct.unpack_from(">H", page, start + 3)
    pointers = start + (12 if kind == _INDEX_INNER else 8)
    for index in range(min(count, (len(page) - pointers) // 2)):
        (at,) = struct.unpack_from(">H", page, pointers + 2 * index)
        at += 4 if kind == _INDEX_INNER else 0
        payload, at = _varint(page, at)
        if kind == _TABLE_LEAF:
            _, at = _varint(page, at)
        local = layout.local(payload, is_table=kind == _TABLE_LEAF)
        link = 4 if local < payload else 0
        whole = layout.pages * layout.page_bytes
        if payload <= whole and at + local + link <= layout.usable <= len(page):
            following = int.from_bytes(page[at + local : at + local + link], "big")
            place = (number - 1) * layout.page_bytes + at
            yield _Cell(number, index, payload, place, page[at : at + local], following)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer of up to nine bytes, and where the next field starts."""
    value = 0
    for index, byte in enumerate(data[at : at + 9]):
        if index == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value, at + 9
