"""In which state a zone was when, by what its agent told and did not tell. Pure.

Rules enforced here:

1. Every moment has exactly one state. What an agent told is believed until it tells otherwise;
   before its first word, and before it was enrolled, nothing is known. A new enrolment is a new
   agent, which has told nothing yet.
2. A time in which messages were lost, or nothing was heard, is no evidence of anything, whatever
   was told before; that the zone was blind or not guarded stays known.
3. Words stand in the order of the ledger, whatever their times say. Where the clock was set, the
   doubt is nobody's evidence: a zone counts as enforcing from the latest and until the earliest
   time that the order allows, and as anything else from the earliest and until the latest.
4. Words about other things than the guard's state (the intake of core dumps) change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lockgate.controller.evidence.intervals import Intervals, difference, intersection, union
from lockgate.scan.words import Word


class Cover(Word):
    """What is known of a zone at one moment."""

    ENFORCING = "enforcing", "Opens were held, and canaries were refused."
    DEGRADED = "degraded", "Opens were held, but something that keeps it so was missing."
    BLIND = "blind", "Opens may have passed unseen."
    DISARMED = "disarmed", "An operator had taken the guard off."
    MESSAGES_LOST = "messages-lost", "Messages of the agent are missing; what they told is unknown."
    SILENT = "silent", "Nothing was heard of the agent."
    CLOCK_SET = "clock-set", "The controller's clock was set; it is not known what held when."
    NOT_TOLD = "not-told", "The agent had not told of this zone yet."
    ENROLLED_ANEW = (
        "enrolled-anew",
        "The host was enrolled again, and had not told of this zone yet.",
    )
    NOT_ENROLLED = "not-enrolled", "The host was not enrolled yet."


#: What was told, and stays known through silence.
_KNOWN_BAD = (Cover.BLIND, Cover.DISARMED)
_QUIET = (Cover.SILENT, Cover.MESSAGES_LOST, Cover.CLOCK_SET)
_TOLD = (Cover.BLIND, Cover.DISARMED, Cover.DEGRADED, Cover.ENFORCING, Cover.ENROLLED_ANEW)


@dataclass(frozen=True, slots=True)
class Told:
    """A state that an agent told at a time (micros); ``ENROLLED_ANEW`` ends the one before."""

    at: int
    cover: Cover


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one zone of one host; times in micros.

    ``enrolled_at`` None: the host never was. ``told`` is in the order of the ledger. ``silent``
    and ``lost`` concern the whole host.
    """

    host: str
    zone: str
    enrolled_at: int | None
    told: tuple[Told, ...]
    silent: Intervals = ()
    lost: Intervals = ()


def covers(facts: Facts, start: int, end: int) -> dict[Cover, Intervals]:
    """The moments of ``[start, end)``, by what is known of them; together they are all of it."""
    left: Intervals = union([(start, end)])
    found: dict[Cover, Intervals] = {}

    def take(cover: Cover, part: Iterable[tuple[int, int]]) -> None:
        nonlocal left
        found[cover] = union(found.get(cover, ()), intersection(left, part))
        left = difference(left, part)

    told = facts.told
    states = _states(told, end)
    enrolled = end if facts.enrolled_at is None else facts.enrolled_at
    take(Cover.NOT_ENROLLED, [(start, enrolled)])
    take(Cover.NOT_TOLD, [(start, told[0].at if told else end)])
    for cover in _KNOWN_BAD:
        take(cover, states[cover])
    take(Cover.SILENT, facts.silent)
    take(Cover.MESSAGES_LOST, facts.lost)
    for cover in _TOLD:
        take(cover, states[cover])
    take(Cover.CLOCK_SET, left)
    return {cover: parts for cover, parts in found.items() if parts}


def _states(told: Sequence[Told], end: int) -> Mapping[Cover, Intervals]:
    """Each told state, from its word to the next one; see rule 3."""
    times = [one.at for one in told]
    earliest = [*reversed([*accumulate(reversed(times), min)]), end]
    latest = [*accumulate(times, max), end]
    spans = [
        (latest[place], earliest[place + 1])
        if one.cover is Cover.ENFORCING
        else (earliest[place], latest[place + 1])
        for place, one in enumerate(told)
    ]
    pairs = list(zip(told, spans, strict=True))
    return {cover: union(span for one, span in pairs if one.cover is cover) for cover in _TOLD}


def without_evidence(facts: Facts, start: int, end: int) -> list[tuple[int, int, Cover]]:
    """The times in which the guard was not known to hold opens as it should, in order."""
    found = [
        (first, last, cover)
        for cover, parts in covers(facts, start, end).items()
        if cover is not Cover.ENFORCING
        for first, last in parts
    ]
    return sorted(found, key=lambda one: one[0])


def enforcing(zones: Sequence[Facts], start: int, end: int) -> tuple[Intervals, Intervals]:
    """When a host's zones were all enforcing, and when at least one was known not to be.

    A zone counts from its agent's first word of it; the rest of the time nothing is known.
    """
    by_zone = [covers(facts, start, end) for facts in zones]
    well = union(*(zone.get(Cover.ENFORCING, ()) for zone in by_zone))
    bad = union(*(zone.get(c, ()) for zone in by_zone for c in (*_KNOWN_BAD, Cover.DEGRADED)))
    quiet = union(*(zone.get(c, ()) for zone in by_zone for c in _QUIET))
    return difference(well, union(bad, quiet)), bad
