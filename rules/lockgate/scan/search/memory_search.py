"""The searches over a member's words, in two walks: note what to fetch, then fetch and divide.

Rules enforced here:

1. The first walk finds structures, and runs of the size of a modulus; the second reads the
   numbers that structures point at, and tries windows against every modulus seen by then: as
   a factor, and as a private exponent.
2. Each bound that is reached makes :attr:`MemorySearch.gaps` longer; nothing is dropped in
   silence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lockgate.scan.blocks import Block
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.search import bignum, limbs
from lockgate.scan.search.bignum import LimbSpan
from lockgate.scan.search.divide import Moduli
from lockgate.scan.search.exponent import ExponentTest
from lockgate.scan.search.numbers import Number, NumberPool
from lockgate.scan.search.rsa_keys import USUAL_EXPONENT
from lockgate.scan.walk import Place

#: Modulus sizes in limbs whose isolated copies are taken as possible moduli (2048 to 8192).
_MODULUS_LIMBS = (32, 48, 64, 128)
_BATCH = 2048
_TOP_BIT = 1 << 63
#: Primes of a modulus whose bits are twice theirs begin with sqrt(2)/2 = 0xB5 at least.
_LEAST_PRIME_TOP = 0xB0 << 56
WINDOW_FORMAT = "rsa-limbs"


@dataclass(slots=True)
class _Wanted:
    """What the second walk fetches from one member."""

    place: Place
    spans: set[LimbSpan] = field(default_factory=set)
    ordered: list[LimbSpan] = field(default_factory=list)


@dataclass(slots=True)
class _Windows:
    """Windows of one size in one member that wait to be divided."""

    place: Place
    offsets: limbs.Indexes
    size: int
    values: list[int] = field(repr=False)

    def number(self, index: int) -> Number:
        """One of the windows as a number at its place."""
        offset = int(self.offsets[index])
        return Number(self.values[index], self.place, offset, 8 * self.size, WINDOW_FORMAT)


@dataclass(frozen=True, slots=True)
class _View:
    """A block as words at one alignment, and the runs among them."""

    words: limbs.Words
    runs: limbs.Runs
    phase: int
    block: Block
    place: Place

    def odd_windows(self, size: int, least_top: int, *, inside_long_runs: bool) -> limbs.Indexes:
        """Starts in the block's own part of windows that hold an odd number of ``size`` limbs."""
        first, last = limbs.own_words(self.block, self.phase)
        starts = limbs.windows_of(self.runs, size, inside_long_runs=inside_long_runs)
        starts = starts[(starts >= first) & (starts < last)]
        return limbs.odd_and_large(self.words, starts, size, least_top)

    def windows(self, starts: limbs.Indexes, size: int) -> _Windows:
        """The windows at ``starts``, with their numbers."""
        offsets = self.block.offset + self.phase + 8 * starts
        return _Windows(self.place, offsets, size, limbs.values_of(self.words, starts, size))


class MemorySearch:
    """Numbers without markers, over all members of one file."""

    def __init__(self, pool: NumberPool, profile: Profile, limits: Limits) -> None:
        self._pool = pool
        self._deep = profile is Profile.DEEP
        self._limits = limits
        self._wanted: dict[int, _Wanted] = {}
        self._spans_left = limits.bignums
        self._windows_left = limits.windows
        self._exponents_left = limits.exponents
        self._divisors: dict[int, Moduli] = {}
        self._exponents: dict[int, ExponentTest] = {}
        self._pending: dict[int, list[_Windows]] = {}
        self.numbers: list[Number] = []
        self.gaps = Gaps()

    def survey(self, block: Block, place: Place) -> None:
        """First walk: note structures and possible moduli of one block."""
        for phase in self.phases(block, place):
            words = limbs.words_of(block.data, phase)
            if place.memory is not None:
                self._note_bignums(words, phase, block, place)
            self._note_moduli(words, phase, block)

    def prepare(self) -> bool:
        """Between the walks; returns whether a second one has anything to do."""
        sizes: dict[int, list[int]] = {}
        for n in self._pool.moduli:
            if n.bit_length() % 128 == 0:
                sizes.setdefault(n.bit_length() // 128, []).append(n)
        for size, moduli in sizes.items():
            self._divisors[size] = Moduli(moduli)
            known = [(n, self._pool.exponent_of(n) or USUAL_EXPONENT) for n in moduli]
            self._exponents[2 * size] = ExponentTest(known, 2 * size)
        for wanted in self._wanted.values():
            wanted.ordered = sorted(wanted.spans)
        return bool(self._divisors or self._wanted)

    def fetch(self, block: Block, place: Place) -> None:
        """Second walk: read the numbers pointed at, and divide windows into moduli."""
        wanted = self._wanted.get(place.number)
        if wanted is not None:
            self.numbers += _read_spans(wanted, block)
        if not self._divisors:
            return
        for phase in self.phases(block, place):
            words = limbs.words_of(block.data, phase)
            view = _View(words, limbs.runs_of(words, min(self._divisors)), phase, block, place)
            self._divide_windows(view)
            self._try_exponents(view)

    def finish(self) -> None:
        """After the second walk: divide what is left."""
        for size in tuple(self._pending):
            self._divide(size)

    def phases(self, block: Block, place: Place) -> Iterable[int]:
        """The alignments at which the words of a block are looked at."""
        if self._deep:
            return range(8)
        mapped = (0,) if place.memory is None else place.memory.phases
        return {*mapped, limbs.likely_phase(block.data)}

    def _note_bignums(self, words: limbs.Words, phase: int, block: Block, place: Place) -> None:
        assert place.memory is not None
        first, last = limbs.own_words(block, phase)
        for span in bignum.find_bignums(words[first : last + 2], place.memory):
            wanted = self._wanted.setdefault(place.number, _Wanted(place))
            if self._spans_left <= 0:
                self._budget(place, block, "more BIGNUM structures than the limit")
                return
            if span not in wanted.spans:
                wanted.spans.add(span)
                self._spans_left -= 1

    def _note_moduli(self, words: limbs.Words, phase: int, block: Block) -> None:
        first, last = limbs.own_words(block, phase)
        runs = limbs.runs_of(words, _MODULUS_LIMBS[0])
        for size in _MODULUS_LIMBS:
            starts = limbs.isolated_windows(runs, size)
            starts = starts[(starts >= first) & (starts < last)]
            starts = limbs.odd_and_large(words, starts, size, _TOP_BIT)
            starts = limbs.without_tiny_factors(words, starts, size)
            for value in limbs.values_of(words, starts, size):
                if limbs.looks_random(value):
                    self._pool.add_modulus(value, None)

    def _divide_windows(self, view: _View) -> None:
        for size in self._divisors:
            starts = view.odd_windows(size, _LEAST_PRIME_TOP, inside_long_runs=self._deep)
            starts = limbs.without_tiny_factors(view.words, starts, size)
            if len(starts) > self._windows_left:
                self._budget(view.place, view.block, "more windows than the limit")
                return
            self._windows_left -= len(starts)
            self._pend(view.windows(starts, size))

    def _try_exponents(self, view: _View) -> None:
        for size, test in self._exponents.items():
            starts = view.odd_windows(size, 0, inside_long_runs=self._deep)
            starts = test.likely(view.words, starts)
            if len(starts) > self._exponents_left:
                detail = "more possible private exponents than the limit"
                self._budget(view.place, view.block, detail)
                return
            self._exponents_left -= len(starts)
            likely = view.windows(starts, size)
            self.numbers += map(likely.number, range(len(starts)))

    def _pend(self, windows: _Windows) -> None:
        pending = self._pending.setdefault(windows.size, [])
        pending.append(windows)
        if sum(len(some.values) for some in pending) >= _BATCH:
            self._divide(windows.size)

    def _divide(self, size: int) -> None:
        pending = self._pending.pop(size, [])
        places = [(some, index) for some in pending for index in range(len(some.values))]
        values = [value for some in pending for value in some.values]
        for hit, _ in self._divisors[size].divided_by(values):
            windows, index = places[hit]
            self.numbers.append(windows.number(index))

    def _budget(self, place: Place, block: Block, detail: str) -> None:
        offset, length = block.offset + block.start, block.stop - block.start
        self.gaps.add(Gap(GapReason.BUDGET, place.member, offset, length, detail))


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
