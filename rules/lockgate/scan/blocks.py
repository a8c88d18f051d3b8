"""A member cut into blocks that overlap, so that nothing is lost at an edge.

Rules enforced here:

1. Every byte of a member is in the own part of exactly one block; each block carries
   ``margin`` bytes before and after its own part, less only at the ends of the member.
2. Memory is bounded by one block with its margins, whatever the member's size.
3. Ranges of zeros are passed over, and a block that is zeros with all its margins is not even
   given: no search finds anything in zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

#: Bytes of a member that one block adds; up to twice as many where that saves a copy. No rule
#: can match a million times in so few.
BLOCK_BYTES = 1 << 20
#: Zeros between two spans that are passed over, at least (pages).
_GAP_PAGES = 16
_PAGE = 4096
_WORD = 8
#: Zeros left at either side of a busy part.
_PART_MARGIN = 1 << 14
#: Longer than any block, to tell blocks of zeros by one comparison.
_ZEROS = bytes(4 * BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes ``data`` at ``offset`` of the member; ``data[start:stop]`` is the block's own part."""

    offset: int
    data: bytes = field(repr=False)
    start: int
    stop: int
    ends_member: bool

    def own_bytes(self, offset: int, length: int) -> bytes | None:
        """``length`` bytes at ``offset`` of the member, None when they begin outside the own part.

        None too when they reach further than the margin, or behind the end of the member.
        """
        start = offset - self.offset
        if not self.start <= start < self.stop or start + length > len(self.data):
            return None
        return self.data[start : start + length]

    def spans(self) -> Iterator[tuple[int, int]]:
        """Parts of the own part that hold more than zeros, as ``(start, stop)`` in ``data``."""
        own = np.frombuffer(self.data, np.uint8, self.stop - self.start, self.start)
        whole = len(own) // _PAGE * _PAGE
        busy = own[:whole].view(np.uint64).reshape(-1, _PAGE // 8).any(axis=1)
        pages = np.flatnonzero(np.append(busy, own[whole:].any()))
        breaks = np.flatnonzero(np.diff(pages) > _GAP_PAGES)
        firsts = np.concatenate((pages[:1], pages[breaks + 1]))
        lasts = np.concatenate((pages[breaks], pages[-1:]))
        for first, last in zip(firsts, lasts, strict=True):
            start = self.start + int(first) * _PAGE
            yield start, min(self.start + int(last + 1) * _PAGE, self.stop)

    def busy_parts(self) -> Iterator[Block]:
        """The block cut down to what its own part holds beside zeros, with less of a margin.

        Where the own part ends in zeros, so does what is given; the rest of the margin is kept.
        """
        for start, stop in self.spans():
            low = max(0, start - _PART_MARGIN) // _WORD * _WORD if start > self.start else 0
            high = stop + _PART_MARGIN if stop < self.stop else len(self.data)
            if (low, high) == (0, len(self.data)):
                yield self
            else:
                data = self.data[low:high]
                ends = self.ends_member and high >= len(self.data)
                yield Block(self.offset + low, data, start - low, stop - low, ends)


class Blocks:
    """Collects the bytes of one member in order and gives them on as blocks."""

    def __init__(self, give: Callable[[Block], None], margin: int) -> None:
        self._give = give
        self._margin = margin
        self._parts: list[bytes] = []
        self._held = 0
        self._offset = 0
        self._start = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the member."""
        self._parts.append(piece)
        self._held += len(piece)
        if self._held < self._start + BLOCK_BYTES + self._margin:
            return
        data = b"".join(self._parts)
        while len(data) > self._start + 2 * BLOCK_BYTES + self._margin:
            data = self._cut(data, self._start + BLOCK_BYTES)
        data = self._cut(data, (len(data) - self._margin) // 8 * 8)
        self._parts, self._held = [data], len(data)

    def close(self) -> None:
        """The member has ended: give what is left."""
        data = b"".join(self._parts)
        if len(data) > self._start:
            self._give(Block(self._offset, data, self._start, len(data), ends_member=True))
        self._parts, self._held = [], 0

    def _cut(self, data: bytes, stop: int) -> bytes:
        """Give the block that ends at ``stop``; return the bytes that later ones still need."""
        shown = data[: stop + self._margin + 7]
        if not _ZEROS.startswith(shown):
            self._give(Block(self._offset, shown, self._start, stop, ends_member=False))
        keep = max(0, stop - self._margin)
        self._offset += keep
        self._start = stop - keep
        return data[keep:]
