"""AES keys in memory, found by their schedules, and which of them are a generator's.

What makes a key ``session``: its schedule is proven, and nothing says what the key is for. A
schedule serves a connection or a disk alike, and the words around it prove nothing. The class
changes only by proof: ``protected`` when the key's fingerprint is registered, ``test`` when it
is on the shipped list, ``rng`` when a generator's own structure holds the same key.

Rules enforced here:

1. A finding is a schedule that was expanded and compared (``aes_schedule``). The fingerprint is
   that of the key, so that a key is one finding however many schedules it has.
2. Words are looked at where addresses are divisible by four; where the bytes have no address,
   at all four alignments.
3. Expansions are bounded; the bound is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.report import FindingClass, FindingKind, Gap, GapReason, Proof
from lockgate.scan.search import aes_filter, ctr_drbg
from lockgate.scan.search.aes_schedule import Layout, Schedule, prove
from lockgate.scan.search.search import BlockView, Context

#: The longest schedule.
_REACH = 240


class AesSearch:
    """Schedules over all members of one file."""

    names: tuple[str, ...] = ("aes-schedule", ctr_drbg.FORMAT, ctr_drbg.BORINGSSL_FORMAT)
    reads_text = False

    def __init__(self, context: Context) -> None:
        limits = context.limits
        self._left = limits.schedules
        self._places_left = limits.sightings
        self._generators = ctr_drbg.Generators(limits.generators)
        self._found: list[tuple[bytes, Sighting]] = []
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """Look for schedules, and for what may be the state of a generator."""
        end = len(view.block.data)
        for start, stop in view.block.spans():
            for phase in _phases(view):
                for schedule in self._schedules(
                    view, max(0, start - _REACH), min(end, stop + _REACH), phase
                ):
                    self._note(schedule, view)
        self._generators.note(view)

    def prepare(self) -> bool:
        """Nothing is left for a second walk."""
        return False

    def fetch(self, _view: BlockView) -> None:
        """Never asked for by this search."""

    def conclude(self, _deadline: float) -> Iterator[Sighting]:
        """The schedules; those whose key a generator holds are the generator's."""
        if self._found and self._generators.is_full:
            detail = "more possible generators than the limit: some AES keys may be theirs"
            self.gaps.add(Gap(GapReason.BUDGET, detail=detail))
        for key, sighting in self._found:
            yield from self._generators.claimed(key, sighting)

    def _schedules(self, view: BlockView, start: int, stop: int, phase: int) -> Iterator[Schedule]:
        """Proven schedules around ``data[start:stop]``; each place is tried once."""
        data, tried = view.block.data, set[tuple[Layout, int]]()
        for candidate in aes_filter.candidates(data, start, stop, phase):
            layout, at = candidate.layout, candidate.start
            if (layout, at) in tried:
                continue
            if self._left <= 0:
                self.gaps.add(view.gap(GapReason.BUDGET, "more AES schedules than the limit"))
                return
            self._left -= 1
            tried.add((layout, at))
            schedule = prove(data, at, layout, candidate.first)
            if schedule is not None:
                yield schedule

    def _note(self, schedule: Schedule, view: BlockView) -> None:
        """Remember a schedule that begins in the block's own part."""
        if not view.block.start <= schedule.start < view.block.stop:
            return
        if self._places_left <= 0:
            self.gaps.add(view.gap(GapReason.BUDGET, "more places of AES keys than the limit"))
            return
        self._places_left -= 1
        evidence = _evidence(schedule, view.block.offset)
        self._generators.note_schedule(schedule, view)
        self._found.append((schedule.key, Sighting(evidence, view.place)))


def _phases(view: BlockView) -> tuple[int, ...]:
    """Alignments modulo 4 at which words stand in this block."""
    if view.place.memory is None:
        return tuple(range(4))
    return tuple(sorted({aligned.phase % 4 for aligned in view.aligned}))


def _evidence(schedule: Schedule, block_offset: int) -> Evidence:
    return Evidence(
        format=schedule.layout.name,
        kind=FindingKind.SYMMETRIC_KEY,
        class_=FindingClass.SESSION,
        algorithm="AES",
        bits=8 * len(schedule.key),
        fingerprint=f"sha256:{hashlib.sha256(schedule.key).hexdigest()}",
        offset=block_offset + schedule.start,
        length=schedule.length,
        proof=(Proof.AES_SCHEDULE,),
    )
