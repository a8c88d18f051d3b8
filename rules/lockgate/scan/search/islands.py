"""Islands: runs of random-looking words, gathered from many blocks into one buffer.

Large numbers stand in memory between small words, pointers and text. Gathering what lies
between those first makes every test behind it cheap, whatever the size of the dump.

Rules enforced here:

1. A run of up to 512 words is gathered whole, with the word before and behind it; of a longer
   one (compressed data) only its edges, unless the scan is deep.
2. Each run belongs to the block in whose own part it starts (the end of a long one: to the
   block in whose own part that lies), so that none is gathered twice.
3. Every byte of an island knows its place in its member.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from lockgate.scan.blocks import Block
from lockgate.scan.search import windows
from lockgate.scan.search.windows import Bytes, Positions
from lockgate.scan.walk import Place

#: The least run: a prime of 512 bits at any alignment covers seven whole words.
LEAST_WORDS = 7
#: Runs longer than this many words are looked at only at their edges.
LONGEST_RUN = 512
#: Words taken at each edge of a long run: a prime of an RSA-8192 key, and a few.
_EDGE_WORDS = 68
_WORD = 8
#: Bytes of the longest number looked for.
_LONGEST_NUMBER = 1024
#: Zeros between islands, so that no run goes from one into the next.
_SEPARATOR = bytes(16)


@dataclass(frozen=True, slots=True)
class _Piece:
    """``data[start:stop]`` of a block, of which ``taken`` is random-looking.

    ``is_whole`` tells that this is a run from its first word to its last.
    """

    start: int
    stop: int
    taken: tuple[int, int]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Islands:
    """A full buffer of islands.

    ``starts`` and ``stops`` are where their runs begin and end, the same for a part of a run;
    ``begins`` and ``ends`` where what was taken of each run does.
    """

    buffer: Bytes
    starts: Positions
    stops: Positions
    begins: Positions
    ends: Positions
    _firsts: tuple[int, ...]
    _origins: tuple[tuple[int, Place], ...]

    def place(self, position: int) -> tuple[Place, int]:
        """The member, and the offset in it, of one byte of the buffer."""
        index = max(0, bisect_right(self._firsts, position) - 1)
        offset, place = self._origins[index]
        return place, offset + position - self._firsts[index]


class IslandBuffer:
    """Gathers islands until there are enough to look at."""

    def __init__(self, *, deep: bool) -> None:
        self._deep = deep
        self._clear()

    @property
    def size(self) -> int:
        """Bytes gathered."""
        return self._size

    def add(self, block: Block, place: Place, phase: int) -> None:
        """Gather the islands of one block, whose words start ``phase`` bytes into its data."""
        data = memoryview(block.data)
        words = np.frombuffer(data[phase : len(data) - (len(data) - phase) % _WORD], np.uint8)
        for start, length in zip(*map(np.ndarray.tolist, windows.runs(words, LEAST_WORDS)),
                                 strict=True):  # fmt: skip
            begin, end = phase + _WORD * start, phase + _WORD * (start + length)
            for piece in self._pieces(block, begin, end):
                self._take(block, place, piece)

    def take(self) -> Islands:
        """What was gathered; the buffer is empty again."""
        buffer = np.frombuffer(b"".join(self._parts), np.uint8)
        begins, ends, stops = np.array(self._taken, np.int64).reshape(-1, 3).T.copy()
        edges = begins, stops, begins, ends
        taken = Islands(buffer, *edges, tuple(self._firsts), tuple(self._origins))
        self._clear()
        return taken

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._taken: list[tuple[int, int, int]] = []
        self._firsts: list[int] = []
        self._origins: list[tuple[int, Place]] = []

    def _pieces(self, block: Block, begin: int, end: int) -> list[_Piece]:
        """What is gathered of the run from ``begin`` to ``end`` of the block's data."""
        low = begin - _WORD if begin >= _WORD else begin
        high = min(len(block.data), end + _WORD)
        starts_here = block.start <= begin < block.stop
        if end - begin <= _WORD * LONGEST_RUN:
            return [_Piece(low, high, (begin, end), is_whole=True)] if starts_here else []
        if self._deep:
            return self._inside(block, begin, end)
        edge = _WORD * _EDGE_WORDS
        pieces = []
        if starts_here:
            pieces.append(_Piece(low, begin + edge, (begin, begin + edge), is_whole=False))
        if block.start < end <= block.stop:
            pieces.append(_Piece(end - edge, high, (end - edge, end), is_whole=False))
        return pieces

    def _inside(self, block: Block, begin: int, end: int) -> list[_Piece]:
        """The block's own part of a long run, and as much behind as a number may reach."""
        first = max(begin, begin + (block.start - begin) // _WORD * _WORD)
        last = min(end, end - (end - block.stop) // _WORD * _WORD + _LONGEST_NUMBER)
        return (
            [_Piece(first, last, (first, last), is_whole=False)]
            if first < min(last, block.stop)
            else []
        )

    def _take(self, block: Block, place: Place, piece: _Piece) -> None:
        content = block.data[piece.start : piece.stop]
        pad = -(piece.stop - piece.start) % _WORD
        at = self._size
        begin, end = (at + edge - piece.start for edge in piece.taken)
        self._taken.append((begin, end, end if piece.is_whole else begin))
        self._firsts.append(at)
        self._origins.append((block.offset + piece.start, place))
        self._parts += (content, bytes(pad), _SEPARATOR)
        self._size += len(content) + pad + len(_SEPARATOR)
