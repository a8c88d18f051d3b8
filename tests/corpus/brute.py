"""Search for many byte patterns at once, at every offset, in a file of any size.

Every pattern is known by eight bytes from its middle. Two bytes of them index a table, so that
one pass over the file finds the few places worth comparing; the whole pattern decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BLOCK = 8 << 20
#: Places listed of one pattern; beyond it only that there are more matters.
_MOST_PLACES = 200


@dataclass(frozen=True, slots=True)
class _Pattern:
    name: str
    content: bytes
    anchor: int


class Patterns:
    """Named byte strings of at least 8 bytes."""

    def __init__(self, named: dict[str, bytes]) -> None:
        """Choose the anchors."""
        self._by_word: dict[int, list[_Pattern]] = defaultdict(list)
        for name, content in named.items():
            anchor = _anchor(content)
            word = int.from_bytes(content[anchor : anchor + 8], "little")
            self._by_word[word].append(_Pattern(name, content, anchor))
        self._words = np.array(sorted(self._by_word), dtype="<u8")
        self._table = np.zeros(1 << 16, dtype=bool)
        self._table[self._words & 0xFFFF] = True
        self._margin = max((len(c) for c in named.values()), default=8)

    def find(self, path: Path) -> dict[str, list[int]]:
        """The offsets in the file, by pattern."""
        places: dict[str, list[int]] = defaultdict(list)
        for start, data in _blocks(path, self._margin):
            for name, offset in self._in_block(data):
                if start + offset not in places[name][-1:] and len(places[name]) < _MOST_PLACES:
                    places[name].append(start + offset)
        return {name: sorted(set(found)) for name, found in places.items()}

    def _in_block(self, data: bytes) -> Iterator[tuple[str, int]]:
        for phase in range(2):
            pairs = np.frombuffer(data, dtype="<u2", offset=phase, count=(len(data) - phase) // 2)
            near = np.flatnonzero(self._table[pairs]) * 2 + phase
            near = near[near <= len(data) - 8]
            yield from self._confirmed(data, near)

    def _confirmed(self, data: bytes, near: np.ndarray) -> Iterator[tuple[str, int]]:
        octets = np.frombuffer(data, dtype=np.uint8)
        words = octets[near[:, None] + np.arange(8)].copy().view("<u8").ravel()
        for at in near[np.isin(words, self._words)].tolist():
            word = int.from_bytes(data[at : at + 8], "little")
            for pattern in self._by_word[word]:
                begin = at - pattern.anchor
                if begin >= 0 and data.startswith(pattern.content, begin):
                    yield pattern.name, begin


def _anchor(content: bytes) -> int:
    """Where eight varied bytes stand: near the middle, for all forms begin and end alike."""
    if len(content) < 8:
        raise ValueError("a pattern of fewer than 8 bytes would be found by chance")
    middle = (len(content) - 8) // 2
    places = range(middle, min(middle + 64, len(content) - 7))
    return max(places, key=lambda at: (len(set(content[at : at + 2])), len(set(content[at:][:8]))))


def _blocks(path: Path, margin: int) -> Iterator[tuple[int, bytes]]:
    """Overlapping blocks that are not all zero."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in range(0, size, _BLOCK):
            file.seek(start)
            data = file.read(_BLOCK + margin)
            if data.count(0) != len(data):
                yield start, data
