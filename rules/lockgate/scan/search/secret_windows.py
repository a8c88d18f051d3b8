"""Windows of memory that may hold a private scalar or seed without a marker.

Rules enforced here:

1. A window lies in a short run of random-looking words at a multiple of eight bytes, or of four
   where no run as long at a multiple of eight shares it; in longer
   runs, where structures of 32-byte fields stand (seed and public key, a handshake's state),
   at multiples of 32 bytes from either end. A deep scan takes every word of every run.
2. A window that does not look random (``secret_filter``) is code, a table or text.
3. A number in small digits (CPython 30 bits in 32, libtommath 28 in 32 or 60 in 64), or in words
   with the highest first (Java's ``int[]``), is written down as little-endian limbs.
4. Windows come with their likelihood, so that a budget spends itself on the likeliest first.

A word of a random number is taken for a small one about once in 2**15: of 16,000 scalars of
four words one is lost this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.search import windows
from lockgate.scan.search.search import BlockView
from lockgate.scan.search.secret_filter import looks_random
from lockgate.scan.search.windows import Positions
from lockgate.scan.search.word_table import Rows, spread

#: Limbs of a scalar or seed: 256 bits, 384 bits, 448 bits (Ed448 has 57 bytes), 521 bits.
LIMBS_256, LIMBS_384, LIMBS_448, LIMBS_521 = 4, 6, 8, 9
_WORD = 8
_LEAST_RUN = 4
#: Runs up to so many words are looked at word by word, up to so many field by field.
_SHORT, _MEDIUM = 8, 32
#: Fields looked at on either side of a longer run.
_EDGE_FIELDS = 2
#: How likely a window is, best first: told by context, alone in its run, nearly alone, others.
TOLD, ALONE, NEARLY, OTHER = range(4)
_TOP_521 = np.uint64(0x1FF)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one size: their limbs, where they stand (bytes in the member), how long there."""

    rows: Rows = field(repr=False)
    offsets: Positions
    lengths: NDArray[np.int16]
    ranks: NDArray[np.uint8]
    members: NDArray[np.int32]

    @classmethod
    def of(
        cls, rows: Rows, offsets: Positions, length: int, ranks: NDArray[np.uint8] | int
    ) -> Windows:
        """Windows that are all ``length`` bytes long, of a member yet to be told."""
        size = len(rows)
        every = np.broadcast_to(np.asarray(ranks, np.uint8), size)
        lengths, members = np.full(size, length, np.int16), np.zeros(size, np.int32)
        return cls(rows, offsets, lengths, every, members)

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, which: NDArray[np.bool_] | Positions) -> Windows:
        """Some of them."""
        return Windows(
            self.rows[which], self.offsets[which], self.lengths[which], self.ranks[which],
            self.members[which],
        )  # fmt: skip

    def in_member(self, number: int) -> Windows:
        """The same, in the member with this number."""
        return replace(self, members=np.full(len(self), number, np.int32))


@dataclass(frozen=True, slots=True)
class WordRuns:
    """A block's words at one alignment, and the runs among them of random-looking ones."""

    view: BlockView
    phase: int
    words: Rows = field(repr=False)
    starts: Positions
    lengths: Positions

    @classmethod
    def of(cls, view: BlockView, phase: int) -> WordRuns:
        """The runs of four words and more."""
        data = view.block.data
        count = max(0, (len(data) - phase) // _WORD)
        words = np.frombuffer(data, np.uint64, count, phase if count else 0)
        starts, lengths = windows.runs(words.view(np.uint8), _LEAST_RUN)
        return cls(view, phase, words, starts, lengths)

    def apart_from(self, other: WordRuns) -> WordRuns:
        """Those runs that are longer than the first of ``other`` they meet, or hardly touch it."""
        if not len(other.starts):
            return self
        begins, ends = (self.phase + _WORD * at for at in (self.starts, self.stops))
        others, stops = (other.phase + _WORD * at for at in (other.starts, other.stops))
        met = np.minimum(np.searchsorted(stops, begins, "right"), len(stops) - 1)
        shared = np.minimum(ends, stops[met]) - np.maximum(begins, others[met])
        # Of 66 bytes the last two may make a word look random that is not full.
        longer = self.lengths > other.lengths[met] - (self.lengths >= LIMBS_521 - 1)
        apart = (shared < _WORD * (_LEAST_RUN - 1)) | longer
        return replace(self, starts=self.starts[apart], lengths=self.lengths[apart])

    @property
    def stops(self) -> Positions:
        """The words behind the runs."""
        return self.starts + self.lengths

    def inside(self, starts: Positions, size: int) -> NDArray[np.bool_]:
        """Which windows of ``size`` words begin in the block's own part and end in its data."""
        block = self.view.block
        first = -(-(block.start - self.phase) // _WORD)
        last = -(-(block.stop - self.phase) // _WORD)
        return (starts >= first) & (starts < last) & (starts + size <= len(self.words))

    def gathered(
        self, starts: Positions, size: int, ranks: NDArray[np.uint8] | int, random: int
    ) -> Windows:
        """The windows of ``size`` words whose first ``random`` bytes look random."""
        every = np.broadcast_to(np.asarray(ranks, np.uint8), len(starts))
        good = self.inside(starts, size)
        good[good] = looks_random(self.words.view(np.uint8), _WORD * starts[good], random)
        starts = starts[good]
        rows = self.words[starts[:, None] + np.arange(size)]
        return Windows.of(rows, self.offsets(starts), _WORD * size, every[good])

    def placed(self, rows: Rows, starts: Positions, length: int) -> Windows:
        """Those of ``rows``, which begin at the words ``starts``, that look random."""
        made = Windows.of(rows, self.offsets(starts), length, ALONE)
        return made.chosen(rows_look_random(rows))

    def offsets(self, starts: Positions) -> Positions:
        """Where in the member these words stand."""
        return self.view.block.offset + self.phase + _WORD * starts.astype(np.int64)


def runs_of(view: BlockView) -> Iterator[WordRuns]:
    """The runs of a block, at multiples of eight bytes in memory and, apart from those, of four."""
    if view.deep:
        yield from (WordRuns.of(view, phase) for phase in range(_WORD))
        return
    for phase in sorted({aligned.phase for aligned in view.aligned}):
        whole = WordRuns.of(view, phase)
        yield whole
        yield WordRuns.of(view, (phase + 4) % _WORD).apart_from(whole)


def rows_look_random(rows: Rows) -> NDArray[np.bool_]:
    """Which rows look random, as far as they are whole words of a secret."""
    size = _WORD * min(rows.shape[1], LIMBS_448)
    positions = np.arange(len(rows)) * rows.shape[1] * _WORD
    return looks_random(np.ascontiguousarray(rows).view(np.uint8).ravel(), positions, size)


def windows_256(runs: WordRuns, *, deep: bool) -> Windows:
    """Windows of four words."""
    starts, ranks = _positions(runs, LIMBS_256, deep=deep)
    return runs.gathered(starts, LIMBS_256, ranks, 32)


def windows_384(runs: WordRuns, *, deep: bool) -> Windows:
    """Windows of six words: at either end of a run."""
    starts, ranks = _ends(runs, LIMBS_384, deep=deep)
    return runs.gathered(starts, LIMBS_384, ranks, 48)


def windows_448(runs: WordRuns) -> Windows:
    """Windows of seven words at either end of a run, and the word behind them."""
    starts, ranks = _ends(runs, LIMBS_448 - 1, deep=False)
    return runs.gathered(starts, LIMBS_448, ranks, 57)


def windows_521(runs: WordRuns) -> Windows:
    """Nine words of which the last is small, and 66 big-endian bytes of which the first is."""
    long = runs.lengths >= LIMBS_521 - 1
    begins, ends = runs.starts[long], runs.starts[long] + runs.lengths[long]
    ends = ends[ends < len(runs.words)]
    limbs = ends[runs.words[ends] <= _TOP_521] - (LIMBS_521 - 1)
    bytes_ = begins[(runs.words[begins] & np.uint64(0xFF)) <= 1]
    bytes_ = bytes_[bytes_ + LIMBS_521 <= len(runs.words)]
    return joined([_whole_521(runs, limbs), _bytes_521(runs, bytes_)], LIMBS_521)


def _whole_521(runs: WordRuns, starts: Positions) -> Windows:
    return runs.gathered(starts, LIMBS_521, ALONE, 64)


def _bytes_521(runs: WordRuns, starts: Positions) -> Windows:
    found = runs.gathered(starts, LIMBS_521, NEARLY, 64)
    rows = from_big_endian(found.rows.view(np.uint8)[:, :66], LIMBS_521)
    return Windows.of(rows, found.offsets, 66, found.ranks)


def behind_point_tags(runs: WordRuns, starts: Positions, lengths: Positions) -> Rows:
    """The words one byte behind those that begin like an encoded point (SEC 1, 2.3.3)."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    at = spread(starts, lengths)
    tags = runs.words[at] & np.uint64(0xFF)
    at = at[(tags >= 2) & (tags <= 4) & (at + LIMBS_521 <= len(runs.words))]
    data = np.frombuffer(runs.view.block.data, np.uint8)
    first = runs.phase + _WORD * at + 1
    words: Rows = data[first[:, None] + np.arange(_WORD * LIMBS_448)].view(np.uint64)
    return words


def from_big_endian(content: NDArray[np.uint8], limbs: int) -> Rows:
    """Big-endian numbers, a row of bytes each, as little-endian limbs."""
    padded = np.zeros((len(content), _WORD * limbs), np.uint8)
    padded[:, : content.shape[1]] = content[:, ::-1]
    return padded.view(np.uint64)


def reversed_bytes(rows: Rows) -> Rows:
    """The same bytes, last first."""
    return np.ascontiguousarray(rows[:, ::-1]).byteswap()


def joined(parts: list[Windows], limbs: int) -> Windows:
    """All windows of the parts."""
    empty = Windows.of(np.zeros((0, limbs), np.uint64), np.zeros(0, np.int64), 0, OTHER)
    every = [empty, *parts]
    return Windows(
        np.concatenate([part.rows for part in every]),
        np.concatenate([part.offsets for part in every]),
        np.concatenate([part.lengths for part in every]),
        np.concatenate([part.ranks for part in every]),
        np.concatenate([part.members for part in every]),
    )


def _positions(runs: WordRuns, size: int, *, deep: bool) -> tuple[Positions, NDArray[np.uint8]]:
    """First words of windows, and how likely they are."""
    starts, spare = runs.starts, runs.lengths - size
    short = spare <= (1 << 40 if deep else _SHORT - size)
    every = spread(starts[short], spare[short] + 1)
    ranks = np.repeat(_rank(spare[short]), spare[short] + 1)
    fields = _fields(starts[~short], spare[~short], size)
    other = np.full(len(fields), OTHER, np.uint8)
    return np.concatenate((every, fields)), np.concatenate((ranks, other))


def _rank(spare: Positions) -> NDArray[np.uint8]:
    return np.where(spare <= 1, ALONE, np.where(spare <= _LEAST_RUN, NEARLY, OTHER)).astype(
        np.uint8
    )


def _fields(starts: Positions, spare: Positions, size: int) -> Positions:
    """Multiples of the size from either end."""
    found = []
    for number in range(_MEDIUM // size):
        at = number * size
        near = (spare >= at) & ((spare + size <= _MEDIUM) | (number < _EDGE_FIELDS))
        found += [starts[near] + at, starts[near] + spare[near] - at]
    return np.concatenate(found) if found else starts


def _ends(runs: WordRuns, size: int, *, deep: bool) -> tuple[Positions, NDArray[np.uint8]]:
    """Windows at either end of a run, and one word further in."""
    fits = runs.lengths >= size
    starts, spare = runs.starts[fits], runs.lengths[fits] - size
    if deep:
        return _positions(replace(runs, starts=starts, lengths=runs.lengths[fits]), size, deep=True)
    inner = spare >= 1
    both = np.concatenate((starts, starts[inner] + 1, starts[inner] + spare[inner]))
    ranks = np.concatenate((_rank(spare), _rank(spare[inner]), _rank(spare[inner])))
    chosen, first = np.unique(both, return_index=True)
    return chosen, ranks[first]
