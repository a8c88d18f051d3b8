"""What the searches for bare secrets have in common: two walks over views of the file's blocks.

Rules enforced here:

1. A search sees every block of every member twice, in the same order: first to note what there
   is, then, when any search asks for it, to fetch what the first walk has made worth fetching.
2. A search ends with sightings and gaps only; what it leaves out for want of budget is a gap.
3. Words and runs of a block are computed once, however many searches look at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from lockgate.scan.blocks import Block
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import Limits
from lockgate.scan.registry import Registry
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.search import limbs
from lockgate.scan.search.numbers import NumberPool
from lockgate.scan.search.points import Points
from lockgate.scan.walk import Place


@dataclass(frozen=True, slots=True)
class Context:
    """What every search of one file is given; the pools fill while the first walk goes on."""

    pool: NumberPool
    points: Points
    registry: Registry
    limits: Limits
    deep: bool


@dataclass(frozen=True)
class Aligned:
    """A block as words at one alignment, ``phase`` bytes into its data.

    ``first`` to ``last`` are the indexes of the words that start in the block's own part.
    """

    block: Block
    place: Place
    phase: int

    @cached_property
    def words(self) -> limbs.Words:
        """The words."""
        return limbs.words_of(self.block.data, self.phase)

    @cached_property
    def own(self) -> tuple[int, int]:
        """First and last index of the words that start in the block's own part."""
        return limbs.own_words(self.block, self.phase)

    def owned(self, starts: limbs.Indexes) -> limbs.Indexes:
        """Those word indexes that lie in the block's own part."""
        first, last = self.own
        return starts[(starts >= first) & (starts < last)]

    def offset(self, index: int) -> int:
        """Where in the member the word at ``index`` stands (bytes)."""
        return self.block.offset + self.phase + 8 * index


@dataclass(frozen=True)
class BlockView:
    """A block of a member, as the searches look at it."""

    block: Block
    place: Place
    deep: bool

    @cached_property
    def aligned(self) -> tuple[Aligned, ...]:
        """The block's words at each alignment that is looked at: all eight in a deep scan."""
        return tuple(Aligned(self.block, self.place, phase) for phase in self._phases())

    @cached_property
    def is_text(self) -> bool:
        """Whether it is ASCII outside memory: of 2**32 bare secrets one would look so."""
        return self.place.memory is None and self.block.data.isascii()

    def _phases(self) -> list[int]:
        if self.deep:
            return list(range(8))
        memory = self.place.memory
        mapped = (0,) if memory is None else memory.phases
        return sorted({*mapped, limbs.likely_phase(self.block.data)})

    def gap(self, reason: GapReason, detail: str) -> Gap:
        """A gap over the block's own part."""
        block = self.block
        start = block.offset + block.start
        return Gap(reason, self.place.member, start, block.stop - block.start, detail)


class Search(Protocol):
    """One search over a whole top-level file; made with a :class:`Context`."""

    #: What a report calls the searches made by this class.
    names: tuple[str, ...]
    #: Whether it looks at text, too; the others look for numbers as a process holds them.
    reads_text: bool
    gaps: Gaps

    def __init__(self, context: Context) -> None: ...

    def survey(self, view: BlockView, /) -> None:
        """First walk: look at one block."""
        ...

    def prepare(self) -> bool:
        """Between the walks; returns whether this search needs the second one."""
        ...

    def fetch(self, view: BlockView, /) -> None:
        """Second walk: look at one block; called for every search when any needs it."""
        ...

    def conclude(self, deadline: float, /) -> Iterator[Sighting]:
        """After the walks: everything that is proven.

        Raises:
            OutOfTimeError: the deadline (monotonic clock) passed; there may be more.
        """
        ...
