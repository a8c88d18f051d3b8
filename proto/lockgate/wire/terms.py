"""On what terms people may release a file that the policy stops.

Rules enforced here:

1. Every reviewer's seat is filled by another person: roles add up, they are no alternatives. There
   are at least two seats.
2. Where several rules stop a file, all their terms hold: every seat of each, the shortest times. A
   rule without terms lets nobody release what it stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

#: A seat for anybody who may review at all.
ANY = "any"
#: The roles that may review and break the glass.
REVIEWERS = ("zone-owner", "service-owner", "security", "on-call")
LEAST_REVIEWERS = 2
MOST_REVIEWERS = 6


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """How two people may release a file past the review.

    ``by``: roles of which each of the two has one. ``within``: how long the second is waited for.
    ``valid_for``: how long the file may cross afterwards.
    """

    by: tuple[str, ...]
    within: timedelta
    valid_for: timedelta


@dataclass(frozen=True, slots=True)
class ReleaseTerms:
    """Who decides on a release (one role word for each seat), and how long things may take.

    ``within``: all have voted. ``valid_for``: the file crosses, after the last vote. Without
    ``break_glass`` there is no way past the review.
    """

    reviewers: tuple[str, ...]
    within: timedelta
    valid_for: timedelta
    break_glass: BreakGlass | None = None


def fits(roles: AbstractSet[str], seat: str) -> bool:
    """Whether somebody with ``roles`` may take ``seat``."""
    return seat in roles or (seat == ANY and not roles.isdisjoint(REVIEWERS))


def combined(terms: Iterable[ReleaseTerms | None]) -> ReleaseTerms | None:
    """Terms that keep all of ``terms``; None when there are none, or one of them is None."""
    known: list[ReleaseTerms] = []
    for each in terms:
        if each is None:
            return None
        known.append(each)
    return reduce(_both, known) if known else None


def _both(one: ReleaseTerms, other: ReleaseTerms) -> ReleaseTerms:
    seats = Counter(one.reviewers) | Counter(other.reviewers)
    named = sum(count for seat, count in seats.items() if seat != ANY)
    largest = max(len(one.reviewers), len(other.reviewers))
    seats[ANY] = max(0, largest - named)  # anybody may sit where a role is asked for as well
    return ReleaseTerms(
        reviewers=tuple(sorted(seats.elements())),
        within=min(one.within, other.within),
        valid_for=min(one.valid_for, other.valid_for),
        break_glass=_both_glass(one.break_glass, other.break_glass),
    )


def _both_glass(one: BreakGlass | None, other: BreakGlass | None) -> BreakGlass | None:
    if one is None or other is None:
        return None
    by = tuple(role for role in one.by if role in other.by)
    if not by:
        return None
    return BreakGlass(by, min(one.within, other.within), min(one.valid_for, other.valid_for))
