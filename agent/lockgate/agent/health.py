"""How well each zone is guarded: facts in, a state with reasons out. Pure.

Rules enforced here:

1. ``blind``: opens may pass unseen, or nothing has shown lately that they do not: the mark is
   gone, the path leads elsewhere, a canary came out, no proof for longer than three intervals,
   or a mode that holds nothing.
2. ``degraded``: opens are held, but something that keeps it so, or that lets clean files
   through, is missing.
3. ``enforcing`` has no reasons, the others have at least one. A reason is a constant sentence
   without times and counts, so that a state which lasts is told once.
4. An agent is as well as its worst zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lockgate.wire.agent import GuardState, ZoneHealth
from lockgate.wire.transfer import GuardChange

#: Without a proof for so many intervals a zone counts as blind.
INTERVALS_WITHOUT_PROOF = 3


_BADNESS = {GuardState.ENFORCING: 0, GuardState.DEGRADED: 1, GuardState.BLIND: 2}


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """What is known of one zone.

    ``holds``: its mode holds opens. ``moved``: its path leads to another filesystem than the
    guarded one. ``leaks`` and ``doubts``: of the last round of canaries.
    ``without_proof_s``: seconds since the last proof, or since the guard was put on while
    there was none; ``proved``: there was one.
    """

    zone: str
    holds: bool = True
    marked: bool = True
    moved: bool = False
    leaks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    proved: bool = True
    without_proof_s: float = 0.0


def judge(zone: ZoneFacts, weaknesses: Iterable[str], interval_s: float) -> ZoneHealth:
    """The health of one zone.

    ``weaknesses``: sentences about what the parts that all zones share lack: holder, workers,
    controller, spool, quarantine, intake. ``interval_s``: seconds between rounds of canaries.
    """
    blind = tuple(_blindness(zone, interval_s))
    lacks = tuple(_lacks(zone, weaknesses))
    state = GuardState.DEGRADED if lacks else GuardState.ENFORCING
    if blind:
        state = GuardState.BLIND
    return ZoneHealth(zone.zone, state, tuple(dict.fromkeys((*blind, *lacks))))


def worst(zones: Iterable[ZoneHealth]) -> GuardState:
    """The state of an agent; one without zones guards nothing."""
    return max((z.state for z in zones), key=_BADNESS.__getitem__, default=GuardState.BLIND)


def change_between(before: ZoneHealth | None, now: ZoneHealth) -> GuardChange | None:
    """What is to be told of a zone; None: nothing new. ``before`` None: nothing was told yet."""
    if before == now:
        return None
    match now.state:
        case GuardState.ENFORCING:
            return GuardChange.ARMED if before is None else GuardChange.RECOVERED
        case GuardState.DEGRADED:
            return GuardChange.DEGRADED
        case GuardState.BLIND:
            return GuardChange.BLIND


def _blindness(zone: ZoneFacts, interval_s: float) -> Iterator[str]:
    if not zone.holds:
        yield "this mode holds no opens"
        return
    if not zone.marked:
        yield "the zone's filesystem has no mark: opens there raise no events"
    if zone.moved:
        yield "the zone's path leads to another filesystem than the guarded one"
    for leak in zone.leaks:
        yield f"a canary came out: {leak}"
    if zone.without_proof_s > INTERVALS_WITHOUT_PROOF * interval_s:
        yield "no canary has been refused for what it is for three intervals"


def _lacks(zone: ZoneFacts, weaknesses: Iterable[str]) -> Iterator[str]:
    if zone.holds and not zone.proved:
        yield "no canary has been refused for what it is yet"
    yield from zone.doubts
    yield from weaknesses


class Changes:
    """What is told of zones in the course of time; a state that does not last is not told.

    A state counts when it was judged twice in a row: what is taken off on purpose is gone
    before it is told as a loss.
    """

    def __init__(self) -> None:
        self._told: dict[str, ZoneHealth] = {}
        self._last: dict[str, ZoneHealth] = {}

    def observe(self, now: ZoneHealth) -> GuardChange | None:
        """Take in the latest judgement of a zone; what is to be told of it."""
        before, self._last[now.zone] = self._last.get(now.zone), now
        if before != now:
            return None
        change = change_between(self._told.get(now.zone), now)
        self._told[now.zone] = now
        return change
