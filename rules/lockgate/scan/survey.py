"""The walks over one file: first by rule, then for what the first walk has shown.

Rules enforced here:

1. The second walk runs only when there is something to look for.
2. Registered moduli come first, so that no flood of others can push them out.
3. A walk that ends early (time, a read error) leaves a gap, and what it saw stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from lockgate.scan.blocks import Block, Blocks
from lockgate.scan.detect import Detector
from lockgate.scan.evidence import Format, Undecided
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import Limits, OutOfTimeError, Profile
from lockgate.scan.registry import Registry
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.rules import RuleError, RulePack
from lockgate.scan.search import limbs
from lockgate.scan.search.anchors import Anchors
from lockgate.scan.search.ec_keys import PointSearch
from lockgate.scan.search.memory_search import MemorySearch
from lockgate.scan.search.numbers import NumberPool, unique
from lockgate.scan.search.publics import PublicSearch
from lockgate.scan.search.rsa_keys import find_rsa_keys
from lockgate.scan.search.seeds import SeedSearch
from lockgate.scan.source import Stream
from lockgate.scan.walk import Lane, Place, Stored, Walk

_Look = Callable[[Block, Place], None]

_MARGIN_BYTES = 1 << 16
_NUMBER_SEARCHES = ("openssl-bignum", "rsa-factor", "rsa-exponent", "ec-scalar", "raw-seed")


class Searches:
    """What a profile looks for; shared by all scans of one scanner."""

    def __init__(
        self,
        pack: RulePack,
        formats: tuple[Format, ...],
        registry: Registry,
        profile: Profile,
        limits: Limits,
    ) -> None:
        self.pack = pack
        self.formats = {f.name: f for f in formats}
        self.registry = registry
        self.profile = profile
        self.limits = limits
        reach = max((max(f.reach) for f in formats), default=0)
        self.margin = max(_MARGIN_BYTES, reach + -reach % 8)
        numbers = () if profile is Profile.FAST else _NUMBER_SEARCHES
        self.names = (*(f"format:{name}" for name in sorted(self.formats)), *numbers)


class Survey:
    """One scan in progress."""

    def __init__(
        self, searches: Searches, chunks: Callable[[], Iterator[bytes]], deadline: float
    ) -> None:
        self._searches = searches
        self._chunks = chunks
        self._deadline = deadline
        limits = searches.limits
        self._pool = NumberPool(limits.moduli)
        for n, e, _ in searches.registry.rsa_moduli:
            self._pool.add_modulus(n, e)
        self._detector = Detector(searches.pack, searches.formats, Anchors(self._pool), limits)
        self._memory = MemorySearch(self._pool, searches.profile, limits)
        self._publics = PublicSearch((), frozenset(), limits.rule_seconds)
        self._seeds = SeedSearch(frozenset(), 0)
        self._gaps = Gaps()
        self._seed_sightings: list[Sighting] = []
        self.sightings: list[Sighting] = []
        self.stored: list[Stored] = []
        self.bytes_scanned = 0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """All gaps, each once, in the order in which they arose."""
        return tuple(self._gaps)

    def run(self) -> None:
        """Walk as often as needed."""
        first = self._walk(self._first_look)
        self.bytes_scanned, self.stored = first.bytes_seen, first.stored
        if self._is_fast and first.dumps:
            detail = "a memory dump needs the searches of the standard profile"
            self._gaps.add(Gap(GapReason.PROFILE, detail=detail))
        if self._prepare():
            self._walk(self._second_look)
        self._conclude()

    @property
    def _is_fast(self) -> bool:
        return self._searches.profile is Profile.FAST

    def _first_look(self, block: Block, place: Place) -> None:
        self._detector.block(block, place)
        if not self._is_fast:
            self._memory.survey(block, place)

    def _prepare(self) -> bool:
        """Between the walks; returns whether a second one is needed."""
        waiting = self._detector.seen.waiting
        values = [value for w in waiting for value in w.needs.publics]
        known = self._searches.registry.public_values()
        self._publics = PublicSearch(values, known, self._searches.limits.rule_seconds)
        self._seeds = SeedSearch(self._pool.points | known, self._searches.limits.seeds)
        if self._is_fast:
            return self._publics.is_needed
        numbers = self._memory.prepare()
        return numbers or self._publics.is_needed or self._seeds.is_needed

    def _second_look(self, block: Block, place: Place) -> None:
        try:
            self._publics.block(block)
        except RuleError as error:
            self._gaps.add(Gap(GapReason.MATCH_LIMIT, place.member, detail=str(error)))
        if not self._is_fast:
            self._memory.fetch(block, place)
            if self._seeds.is_needed:
                self._look_for_seeds(block, place)

    def _look_for_seeds(self, block: Block, place: Place) -> None:
        for phase in self._memory.phases(block, place):
            words = limbs.words_of(block.data, phase)
            for start, evidence in self._seeds.windows(words, *limbs.own_words(block, phase)):
                offset = block.offset + phase + 8 * start
                self._seed_sightings.append(Sighting(replace(evidence, offset=offset), place))

    def _conclude(self) -> None:
        detected = self._detector.seen
        self.sightings += detected.sightings
        self._gaps.update(detected.gaps)
        self._settle_waiting()
        self._memory.finish()
        self._settle_numbers()
        self._gaps.update(self._memory.gaps)
        if self._seeds.is_exhausted:
            detail = "more possible seeds than the limit"
            self._gaps.add(Gap(GapReason.BUDGET, detail=detail))
        if self._pool.is_full:
            detail = "more possible moduli than the limit"
            self._gaps.add(Gap(GapReason.BUDGET, detail=detail))

    def _settle_waiting(self) -> None:
        for waiting in self._detector.seen.waiting:
            needs = waiting.needs
            if not self._publics.seen.isdisjoint(needs.publics):
                self.sightings.append(Sighting(needs.evidence, waiting.place))
            elif isinstance(needs.otherwise, Undecided):
                left = needs.otherwise
                member = waiting.place.member
                gap = Gap(GapReason.UNDECIDED, member, left.offset, left.length, left.why)
                self._gaps.add(gap)

    def _settle_numbers(self) -> None:
        for number in self._memory.numbers:
            self._pool.add_modulus(number.value, None)
        seconds = self._searches.limits.prove_seconds
        try:
            self._pair_numbers(min(self._deadline, time.monotonic() + seconds))
        except OutOfTimeError:
            detail = "no time left to put numbers together"
            self._gaps.add(Gap(GapReason.BUDGET, detail=detail))
        self.sightings += self._seed_sightings

    def _pair_numbers(self, deadline: float) -> None:
        numbers = unique([*self._memory.numbers, *self._pool.factors])
        for sighting in find_rsa_keys(numbers, self._pool, deadline):
            self.sightings.append(sighting)
        points = self._pool.points | self._searches.registry.public_values()
        search = PointSearch(self._memory.numbers, frozenset(points), self._searches.limits.scalars)
        for sighting in search.keys(deadline):
            self.sightings.append(sighting)
        if search.is_exhausted:
            self._gaps.add(Gap(GapReason.BUDGET, detail="more EC scalars than the limit"))

    def _walk(self, look: _Look) -> Walk:
        def open_lane(place: Place) -> Lane:
            return Blocks(lambda block: look(block, place), self._searches.margin)

        walk = Walk(self._searches.limits, self._deadline, open_lane)
        stop: Gap | None = None
        try:
            walk.run(Stream(self._chunks()))
        except OutOfTimeError:
            stop = Gap(GapReason.TIME_LIMIT, detail="the time allowed for the scan ran out")
        except EOFError:
            stop = Gap(GapReason.CHANGED, detail="the file is shorter or longer than its size")
        except OSError as error:
            detail = f"read error: {error.strerror}"
            stop = Gap(GapReason.UNREADABLE, detail=detail)
        self._gaps.update(walk.gaps)
        if stop is not None:
            self._gaps.add(stop)
        return walk
