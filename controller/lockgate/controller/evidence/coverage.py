"""Which hosts were enforcing on each day. Pure.

Rules enforced here:

1. A day is one of UTC. Of today counts what is over.
2. ``enforcing``: every zone, all the time. ``partly``: some of the time, in hours. ``blind``:
   never, though the agent told of its zones. ``unknown``: nothing is known here of that day.
3. A host of the inventory that nobody has heard of is in the answer: unknown, every day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lockgate.controller import clock
from lockgate.controller.evidence.history import Facts, enforcing
from lockgate.controller.evidence.intervals import difference, intersection, total
from lockgate.scan.words import Word

DAY = 24 * 3600 * 1_000_000
_HOUR = 3600 * 1_000_000


class Day(Word):
    """What is to be said of a host on one day."""

    ENFORCING = "enforcing", "All of its zones were enforcing all day."
    PARTLY = "partly", "All of its zones were enforcing for some hours."
    BLIND = "blind", "At no time were all of its zones enforcing."
    UNKNOWN = "unknown", "Nothing is known here of the host on that day."


@dataclass(frozen=True, slots=True)
class HostDay:
    """One host on one day; the hours are of what of the day is over."""

    host: str
    date: str
    day: Day
    enforcing_hours: float
    not_enforcing_hours: float
    unknown_hours: float


def days(host: str, zones: Sequence[Facts], start: int, end: int) -> Iterator[HostDay]:
    """Every day that ``[start, end)`` touches."""
    well, bad = enforcing(zones, start, end)
    for midnight in range(start - start % DAY, end, DAY):
        day = [(max(midnight, start), min(midnight + DAY, end))]
        held, lacking = total(intersection(well, day)), total(intersection(bad, day))
        unknown = total(difference(difference(day, well), bad))
        yield HostDay(
            host=host,
            date=clock.rfc3339(clock.from_micros(midnight))[:10],
            day=_word(held, lacking, total(day)),
            enforcing_hours=_hours(held),
            not_enforcing_hours=_hours(lacking),
            unknown_hours=_hours(unknown),
        )


def _word(held: int, lacking: int, length: int) -> Day:
    if held == length:
        return Day.ENFORCING
    if held:
        return Day.PARTLY
    return Day.BLIND if lacking else Day.UNKNOWN


def _hours(micros: int) -> float:
    """Rounded down: no day of 24.0 hours lacks a second."""
    return micros * 100 // _HOUR / 100


def inventory(text: str) -> tuple[str, ...]:
    """The hosts of an inventory file: one a line, what follows ``#`` is a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))
