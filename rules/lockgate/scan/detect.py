"""Candidates by rule, settled by their formats' provers.

Rules enforced here:

1. A prover sees the bytes around a match as far as its format's reach; every match is proven
   or refuted in its own block, so no list of candidates grows with the file.
2. When the time for proving runs out, or the rule engine gives no complete answer, the bytes
   concerned become a gap.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lockgate.scan.blocks import Block
from lockgate.scan.evidence import Candidate, Format, Judgement, NeedsPublic, Proven, Undecided
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import Limits
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.rules import Match, RuleError, RulePack
from lockgate.scan.search.anchors import NAMESPACE, Anchors
from lockgate.scan.unfold import Unfolder
from lockgate.scan.walk import Place


@dataclass(frozen=True, slots=True)
class Waiting:
    """A candidate that is proven if its public half stands anywhere in the file."""

    place: Place
    needs: NeedsPublic


@dataclass(slots=True)
class Detected:
    """What the rules have shown so far, over all members."""

    sightings: list[Sighting] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    gaps: Gaps = field(default_factory=Gaps)
    places: Counter[str] = field(default_factory=Counter)


class Detector:
    """Runs the rule pack over blocks."""

    def __init__(
        self, pack: RulePack, formats: Mapping[str, Format], anchors: Anchors, limits: Limits
    ) -> None:
        self._pack = pack
        self._formats = formats
        self._anchors = anchors
        self._limits = limits
        self._unfolder = Unfolder(pack, formats, limits.rule_seconds, limits.encodings)
        self._seconds_left = limits.prove_seconds
        self.seen = Detected()

    def block(self, block: Block, place: Place) -> None:
        """Look at the own part of one block."""
        view = memoryview(block.data)
        margin = len(block.data) - block.stop
        for start, stop in block.spans():
            # A pattern may begin in the zeros just before a busy span.
            begin = max(block.start, start - _LEAD_BYTES)
            seen = view[begin : stop + margin]
            try:
                for match in self._pack.matches(seen, self._limits.rule_seconds):
                    self._match(match, begin, stop, block, place)
            except RuleError as error:
                self._gap(GapReason.MATCH_LIMIT, place, block, str(error))

    def _match(self, match: Match, begin: int, stop: int, block: Block, place: Place) -> None:
        start = begin + match.start
        if start >= stop:
            return
        if match.namespace == NAMESPACE:
            self._anchors.match(match.rule, start, block, place)
        elif self._seconds_left <= 0:
            self._gap(GapReason.BUDGET, place, block, "no time left to prove candidates")
        else:
            began = time.monotonic()
            for judgement in self._prove(match, start, block):
                self._settle(judgement, block, place)
            self._seconds_left -= time.monotonic() - began

    def _prove(self, match: Match, start: int, block: Block) -> Iterator[Judgement]:
        prover = self._formats[match.namespace]
        before, after = prover.reach
        first, last = max(0, start - before), min(len(block.data), start + after)
        candidate = Candidate(
            rule=match.rule,
            window=block.data[first:last],
            window_offset=block.offset + first,
            match=start - first,
            starts_member=block.offset + first == 0,
            ends_member=block.ends_member and last == len(block.data),
        )
        return self._unfolder.settle(prover, candidate)

    def _settle(self, judgement: Judgement, block: Block, place: Place) -> None:
        match judgement:
            case Proven(evidence):
                for one in evidence:
                    self._sight(Sighting(one, place), block)
            case Undecided(why, offset, length):
                gap = Gap(GapReason.UNDECIDED, place.member, offset, length, why)
                self.seen.gaps.add(gap)
            case NeedsPublic() if len(self.seen.waiting) < self._limits.publics:
                self.seen.waiting.append(Waiting(place, judgement))
            case NeedsPublic():
                self._gap(GapReason.BUDGET, place, block, "too many keys wait for a public half")

    def _sight(self, sighting: Sighting, block: Block) -> None:
        """Remember one place of a key; past the limits, that there are more."""
        key = sighting.evidence.fingerprint
        if len(self.seen.sightings) >= self._limits.sightings:
            self._gap(GapReason.BUDGET, sighting.place, block, "more keys than the limit")
        elif self.seen.places[key] >= self._limits.places:
            self._gap(GapReason.BUDGET, sighting.place, block, "more places of a key than listed")
        else:
            self.seen.places[key] += 1
            self.seen.sightings.append(sighting)

    def _gap(self, reason: GapReason, place: Place, block: Block, detail: str) -> None:
        offset, length = block.offset + block.start, block.stop - block.start
        self.seen.gaps.add(Gap(reason, place.member, offset, length, detail))


_LEAD_BYTES = 64
