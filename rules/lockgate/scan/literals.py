"""Which parts of a block can hold a match of a rule: those around the rules' fixed bytes.

Rules enforced here:

1. A string of a rule is known by the longest run of bytes that every match of it contains; the
   parts given hold every match whole.
2. Without the loop in C there is no gain in this: all is one part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE

#: The shortest run that is worth looking for.
LEAST_LITERAL = 3
#: The longest match that the parts hold whole.
LONGEST_MATCH = 1024

_PAGE = 256
#: Parts with less than this between them are looked at as one.
_JOIN = 4096
_HASHES = 1 << 16
_COMMONEST = b"\x00\xff etaoinsr"
_SMALL = 0x10


class Literals:
    """Fixed strings, and the parts of data around them."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        """Look for ``strings``, each of at least :data:`LEAST_LITERAL` bytes."""
        unique = sorted(set(strings))
        self._text = np.frombuffer(b"".join(unique) + b"\0", np.uint8)
        self._lengths = np.array([len(s) for s in unique], np.uint32)
        self._offsets = (np.cumsum(self._lengths) - self._lengths).astype(np.uint32)
        self._leads = np.array([_rarest(s) for s in unique], np.uint32)
        self._bits = np.zeros(_HASHES // 8, np.uint8)
        self._slots = np.full(_HASHES, -1, np.int32)
        self._next = np.full(len(unique) + 1, -1, np.int32)
        for index, string in enumerate(unique):
            key = _hash(string[self._leads[index] :])
            self._bits[key >> 3] |= 1 << (key & 7)
            self._next[index] = self._slots[key]
            self._slots[key] = index

    def parts(self, data: memoryview) -> list[tuple[int, int]]:
        """Start and stop of the parts of ``data`` that may hold a match, in order."""
        find = native.function("lockgate_literals", SIZE, POINTER, SIZE, *(POINTER,) * 8)
        if find is None:
            return [(0, len(data))]
        marks = np.zeros(len(data) // _PAGE + 1, np.uint8)
        raw = np.frombuffer(data, np.uint8)
        tables = (
            self._bits, self._slots, self._next, self._offsets, self._lengths, self._leads,
            self._text,
        )  # fmt: skip
        find(raw.ctypes.data, len(raw), *(t.ctypes.data for t in tables), marks.ctypes.data)
        return _parts(np.flatnonzero(marks), len(data))


def _rarest(string: bytes) -> int:
    """Where in the string its rarest three bytes stand: they are what is looked for first."""
    places = range(len(string) - LEAST_LITERAL + 1)
    return max(places, key=lambda at: sum(map(_rarity, string[at : at + LEAST_LITERAL])))


def _rarity(byte: int) -> int:
    """Roughly how rare a byte is in programs and text."""
    if byte in _COMMONEST:
        return 0
    return 1 if byte < _SMALL or chr(byte).islower() else 2


def _hash(string: bytes) -> int:
    """As the loop in C hashes the first three bytes."""
    return (int.from_bytes(string[:3], "little") * 0x9E3779B1 & 0xFFFFFFFF) >> 16


def _parts(pages: npt.NDArray[np.intp], size: int) -> list[tuple[int, int]]:
    parts: list[tuple[int, int]] = []
    for page in pages.tolist():
        start, stop = page * _PAGE - LONGEST_MATCH, (page + 1) * _PAGE + LONGEST_MATCH
        if parts and start - parts[-1][1] < _JOIN:
            parts[-1] = (parts[-1][0], min(stop, size))
        else:
            parts.append((max(0, start), min(stop, size)))
    return parts
