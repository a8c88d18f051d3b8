"""The numbers that OpenSSL's BIGNUM structures point at, in two walks: note, then read.

Rules enforced here:

1. The first walk finds structures, the second reads the numbers that they point at.
2. A number reached so joins the pool for RSA, and is tried as an EC scalar.
3. The bound on structures, when it is reached, is a gap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.blocks import Block
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.report import GapReason
from lockgate.scan.search import bignum
from lockgate.scan.search.bignum import LimbSpan
from lockgate.scan.search.numbers import Number
from lockgate.scan.search.search import Aligned, BlockView, Context
from lockgate.scan.walk import Place


@dataclass(slots=True)
class _Wanted:
    """What the second walk fetches from one member."""

    place: Place
    spans: set[LimbSpan] = field(default_factory=set)
    ordered: list[LimbSpan] = field(default_factory=list)


class MemorySearch:
    """BIGNUM structures, over all members of one file."""

    names: tuple[str, ...] = (bignum.FORMAT,)
    reads_text = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pool = context.pool
        self._wanted: dict[int, _Wanted] = {}
        self._spans_left = context.limits.bignums
        self._numbers: list[Number] = []
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """First walk: note structures of one block."""
        for aligned in view.aligned if view.place.memory is not None else ():
            self._note_bignums(aligned, view)

    def prepare(self) -> bool:
        """Between the walks; returns whether a second one has anything to do."""
        for wanted in self._wanted.values():
            wanted.ordered = sorted(wanted.spans)
        return bool(self._wanted)

    def fetch(self, view: BlockView) -> None:
        """Second walk: read the numbers pointed at."""
        wanted = self._wanted.get(view.place.number)
        if wanted is not None:
            self._numbers += _read_spans(wanted, view.block)

    def conclude(self, _deadline: float) -> Iterator[Sighting]:
        """Nothing of its own: the numbers join the pool."""
        self._pool.numbers += self._numbers
        for number in self._numbers:
            self._pool.add_modulus(number.value, None)
        return iter(())

    def _note_bignums(self, aligned: Aligned, view: BlockView) -> None:
        place = view.place
        assert place.memory is not None
        first, last = aligned.own
        for span in bignum.find_bignums(aligned.words[first : last + 2], place.memory):
            wanted = self._wanted.setdefault(place.number, _Wanted(place))
            if self._spans_left <= 0:
                detail = "more BIGNUM structures than the limit"
                self.gaps.add(view.gap(GapReason.BUDGET, detail))
                return
            if span not in wanted.spans:
                wanted.spans.add(span)
                self._spans_left -= 1


def _read_spans(wanted: _Wanted, block: Block) -> Iterator[Number]:
    """The numbers that begin in the block's own part."""
    begin, end = block.offset + block.start, block.offset + block.stop
    first = bisect_left(wanted.ordered, LimbSpan(begin, 0))
    for index in range(first, len(wanted.ordered)):
        span = wanted.ordered[index]
        if span.offset >= end:
            return
        start = span.offset - block.offset
        content = block.data[start : start + 8 * span.limbs]
        if len(content) == 8 * span.limbs:
            value = int.from_bytes(content, "little")
            yield Number(value, wanted.place, span.offset, len(content), bignum.FORMAT)
