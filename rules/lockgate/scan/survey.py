"""The walks over one file: first by rule, then for what the first walk has shown.

Rules enforced here:

1. The second walk runs only when there is something to look for.
2. Registered moduli come first, so that no flood of others can push them out.
3. A walk that ends early (time, a read error) leaves a gap, and what it saw stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from lockgate.scan.blocks import Block, Blocks
from lockgate.scan.detect import Detector
from lockgate.scan.evidence import Format, Undecided
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import Limits, OutOfTimeError, Profile
from lockgate.scan.registry import Registry
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.rules import RuleError, RulePack
from lockgate.scan.search.aes import AesSearch
from lockgate.scan.search.anchors import Anchors
from lockgate.scan.search.chacha import ChachaSearch
from lockgate.scan.search.memory_search import MemorySearch
from lockgate.scan.search.numbers import NumberPool
from lockgate.scan.search.openssl_points import OpensslPointSearch
from lockgate.scan.search.points import Points
from lockgate.scan.search.publics import PublicSearch
from lockgate.scan.search.rsa_search import RsaSearch
from lockgate.scan.search.rsa_windows import RegisteredRsaSearch
from lockgate.scan.search.salted import SaltedSearch
from lockgate.scan.search.scalar_search import ScalarSearch
from lockgate.scan.search.search import BlockView, Context, Search
from lockgate.scan.search.shielded import ShieldedSearch
from lockgate.scan.source import RandomAccess, Stream
from lockgate.scan.walk import Lane, Place, Stored, Walk

_Look = Callable[[Block, Place], None]

_MARGIN_BYTES = 1 << 16
#: The searches for secrets without a marker, in the order in which places of a key are named.
SEARCHES: tuple[type[Search], ...] = (
    MemorySearch,
    RegisteredRsaSearch,
    RsaSearch,
    ScalarSearch,
    OpensslPointSearch,
    AesSearch,
    ChachaSearch,
    ShieldedSearch,
    SaltedSearch,
)


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
        bare = () if profile is Profile.FAST else SEARCHES
        self.names = (
            *(f"format:{name}" for name in sorted(self.formats)),
            *(name for search in bare for name in search.names),
        )


class Survey:
    """One scan in progress."""

    def __init__(
        self,
        searches: Searches,
        chunks: Callable[[], Iterator[bytes]],
        access: RandomAccess | None,
        deadline: float,
    ) -> None:
        self._searches = searches
        self._chunks = chunks
        self._access = access
        self._deadline = deadline
        limits = searches.limits
        self._pool = NumberPool(limits.moduli)
        self._points = Points()
        for n, e, _ in searches.registry.rsa_moduli:
            self._pool.add_modulus(n, e)
        anchors = Anchors(self._pool, self._points)
        self._detector = Detector(searches.pack, searches.formats, anchors, limits)
        deep = searches.profile is Profile.DEEP
        context = Context(self._pool, self._points, searches.registry, limits, deep=deep)
        self._bare: tuple[Search, ...] = (
            () if self._is_fast else tuple(search(context) for search in SEARCHES)
        )
        self._publics = PublicSearch((), frozenset(), limits.rule_seconds)
        self._gaps = Gaps()
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
        for view in self._views(block, place):
            for search in self._looking_at(view):
                search.survey(view)

    def _prepare(self) -> bool:
        """Between the walks; returns whether a second one is needed."""
        waiting = self._detector.seen.waiting
        values = [value for w in waiting for value in w.needs.publics]
        known = self._searches.registry.public_values()
        self._publics = PublicSearch(values, known, self._searches.limits.rule_seconds)
        needed = [search.prepare() for search in self._bare]
        return any(needed) or self._publics.is_needed

    def _second_look(self, block: Block, place: Place) -> None:
        try:
            self._publics.block(block)
        except RuleError as error:
            self._gaps.add(Gap(GapReason.MATCH_LIMIT, place.member, detail=str(error)))
        for view in self._views(block, place):
            for search in self._looking_at(view):
                search.fetch(view)

    def _views(self, block: Block, place: Place) -> Iterator[BlockView]:
        """The block as the searches see it: without its zeros."""
        deep = self._searches.profile is Profile.DEEP
        for part in block.busy_parts() if self._bare else ():
            yield BlockView(part, place, deep=deep)

    def _looking_at(self, view: BlockView) -> Iterator[Search]:
        return (search for search in self._bare if search.reads_text or not view.is_text)

    def _conclude(self) -> None:
        detected = self._detector.seen
        self.sightings += detected.sightings
        self._gaps.update(detected.gaps)
        self._settle_waiting()
        for search in self._bare:
            self._settle(search)
        if self._points.is_full:
            self._gaps.add(Gap(GapReason.BUDGET, detail="more public points than the limit"))
        if self._pool.is_full:
            detail = "more possible moduli than the limit"
            self._gaps.add(Gap(GapReason.BUDGET, detail=detail))

    def _settle(self, search: Search) -> None:
        """Take what one search has proven; each has its own share of time."""
        deadline = min(self._deadline, time.monotonic() + self._searches.limits.prove_seconds)
        try:
            self.sightings.extend(search.conclude(deadline))
        except OutOfTimeError:
            detail = f"no time left to put numbers together: {', '.join(search.names)}"
            self._gaps.add(Gap(GapReason.BUDGET, detail=detail))
        self._gaps.update(search.gaps)

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

    def _walk(self, look: _Look) -> Walk:
        def open_lane(place: Place) -> Lane:
            return Blocks(lambda block: look(block, place), self._searches.margin)

        walk = Walk(self._searches.limits, self._deadline, open_lane)
        stop: Gap | None = None
        try:
            walk.run(Stream(self._chunks(), self._access))
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
