"""The tree as files: C2SP tlog-tiles, paths and contents, pure.

Rules enforced here:

1. A tile holds up to 256 hashes of every eighth level of the tree, a bundle up to 256 entries;
   a full one is never written again, and each width of a partial one has a name of its own.
2. An entry whose bytes are gone stands in its bundle with length 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Hashes in a full tile, entries in a full bundle.
WIDTH = 256
#: The longest entry that a bundle takes: its length stands before it in two bytes.
LONGEST_ENTRY = 0xFFFF


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile; at level 0 a bundle of entries belongs to it."""

    level: int
    number: int
    width: int

    @property
    def first(self) -> int:
        """The first node, counted at the tile's own level of the tree."""
        return self.number * WIDTH

    @property
    def is_full(self) -> bool:
        """Whether it is never written again."""
        return self.width == WIDTH

    @property
    def path(self) -> str:
        """Where its hashes stand."""
        return f"tile/{self.level}/{self._name}"

    @property
    def bundle_path(self) -> str:
        """Where its entries stand; level 0 only."""
        return f"tile/entries/{self._name}"

    @property
    def _name(self) -> str:
        """The number in elements of three digits, all but the last after an ``x``."""
        rest, last = divmod(self.number, 1000)
        name = f"{last:03}" if self.is_full else f"{last:03}.p/{self.width}"
        while rest:
            rest, last = divmod(rest, 1000)
            name = f"x{last:03}/{name}"
        return name


def grown(old: int, new: int) -> Iterator[Tile]:
    """The tiles that a tree of ``new`` entries has and one of ``old`` had not."""
    level = 0
    while new:
        if new > old:
            for number in range(old // WIDTH, (new - 1) // WIDTH + 1):
                yield Tile(level, number, min(new - number * WIDTH, WIDTH))
        old, new, level = old // WIDTH, new // WIDTH, level + 1


def holding(first: int, last: int, size: int) -> Iterator[Tile]:
    """The tiles of level 0 that hold these entries, in a tree of ``size``."""
    for number in range(first // WIDTH, min(last, size - 1) // WIDTH + 1):
        yield Tile(0, number, min(size - number * WIDTH, WIDTH))


def bundle(entries: Iterable[bytes]) -> bytes:
    """The content of a bundle: each entry after its length in two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)
