"""Records inside a heap segment of an HPROF dump: how long each is, and which arrays matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct

ARRAY = 0x23
_CLASS, _INSTANCE, _OBJECTS, _UNFILLED = 0x20, 0x21, 0x22, 0xC3
_OBJECT, _BYTE, _INT, _LONG = 2, 8, 10, 11
#: Bytes of one element of each basic type but object: boolean, char, float, double, byte, short,
#: int, long.
_WIDTHS = {4: 1, 5: 2, 6: 4, 7: 8, _BYTE: 1, 9: 2, _INT: 4, _LONG: 8}
_NUMBERS = frozenset({_BYTE, _INT, _LONG})
#: Identifiers and further bytes of the records of one size: roots, and Android's.
_ROOTS = {
    0x01: (2, 0),
    0x02: (1, 8),
    0x03: (1, 8),
    0x04: (1, 4),
    0x05: (1, 0),
    0x06: (1, 4),
    0x07: (1, 0),
    0x08: (1, 8),
    0xFF: (1, 0),
    0x89: (1, 0),
    0x8A: (1, 0),
    0x8B: (1, 0),
    0x8C: (1, 0),
    0x8D: (1, 0),
    0x8E: (1, 8),
    0x90: (1, 0),
    _UNFILLED: (1, 9),
    0xFE: (1, 4),
}
#: The shortest secret that is looked for in an array (bytes), and the sizes of symmetric keys.
_LEAST_BYTES = 16
_KEY_BYTES = frozenset({16, 24, 32})
#: An array's head: identifiers and counts that are not huge, as all are.
_LIKELY = {
    4: re.compile(rb"\x23.{4}\0.{3}\0.{3}[\x08\x0a\x0b]", re.DOTALL),
    8: re.compile(rb"\x23\0\0.{6}\0.{3}\0.{3}[\x08\x0a\x0b]", re.DOTALL),
}
_U2, _U4 = Struct(">H"), Struct(">I")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lengths of records in a dump whose identifiers have ``width`` bytes."""

    width: int
    #: Bytes before the content of an array, and those before the fields of an instance.
    array: int
    fields: int
    widths: Mapping[int, int]
    roots: Mapping[int, int]

    @classmethod
    def of(cls, width: int) -> Sizes:
        """The lengths for one width of identifiers."""
        roots = {tag: 1 + ids * width + more for tag, (ids, more) in _ROOTS.items()}
        return cls(width, 10 + width, 9 + 2 * width, {_OBJECT: width, **_WIDTHS}, roots)

    def end_of(self, data: bytes, place: int) -> int | None:
        """Where the record at ``place`` ends; None when it is unknown or its head not whole."""
        tag = data[place]
        if tag == _INSTANCE:
            start = place + self.fields
            return start + _U4.unpack_from(data, start - 4)[0] if start <= len(data) else None
        if tag == ARRAY:
            start = place + self.array
            width = _WIDTHS.get(data[start - 1]) if start <= len(data) else None
            return start + width * _U4.unpack_from(data, start - 5)[0] if width else None
        if tag == _OBJECTS:
            start = place + self.fields
            count = place + self.width + 5
            return (
                start + self.width * _U4.unpack_from(data, count)[0] if start <= len(data) else None
            )
        if tag == _CLASS:
            return self._end_of_class(data, place)
        size = self.roots.get(tag)
        return None if size is None else place + size

    def likely_array(self, data: bytes, start: int) -> int | None:
        """Where from ``start`` on something looks like an array of numbers that is not huge."""
        found = _LIKELY[self.width].search(data, start)
        return None if found is None else found.start()

    def _end_of_class(self, data: bytes, place: int) -> int | None:
        """Behind the constants, static fields and instance fields of a class."""
        place += 1 + self.width + 4 + 6 * self.width + 4
        for name_bytes, has_value in ((2, True), (self.width, True), (self.width, False)):
            if place + 2 > len(data):
                return None
            (count,) = _U2.unpack_from(data, place)
            place += 2
            for _ in range(count):
                kind = place + name_bytes
                width = self.widths.get(data[kind]) if kind < len(data) else None
                if width is None:
                    return None
                place = kind + 1 + (width if has_value else 0)
        return place


def moved_array(data: bytes, start: int, stop: int) -> bytes:
    """The content of the array there if it may hold a number, else nothing."""
    if stop - start < _LEAST_BYTES or data[start - 1] not in _NUMBERS:
        return b""
    content = data[start:stop]
    if data[start - 1] == _BYTE and content.isascii() and len(content) not in _KEY_BYTES:
        return b""
    return content if content.strip(b"\0") else b""
