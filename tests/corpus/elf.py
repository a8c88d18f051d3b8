"""The segments of an ELF core, for the truth and the variants; None where there is no header."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_LOAD = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD: where it stood in memory, and where its bytes stand in the file."""

    address: int
    offset: int
    size: int


def segments(path: Path) -> list[Segment]:
    """The loaded segments of a little-endian ELF64 core; empty where it is none."""
    with path.open("rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", head, 16)[0] != 4:
            return []
        table, entry, count = (
            struct.unpack_from("<Q", head, 32)[0],
            *struct.unpack_from("<HH", head, 54),
        )
        file.seek(table)
        rows = [file.read(entry) for _ in range(count)]
    found = []
    for row in rows:
        if len(row) == entry and struct.unpack_from("<I", row)[0] == _LOAD:
            offset, address, _, size = struct.unpack_from("<4Q", row, 8)
            if size:
                found.append(Segment(address, offset, size))
    return found
