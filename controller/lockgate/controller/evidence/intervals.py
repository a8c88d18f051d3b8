"""Intervals of time, and what can be computed with them. Pure.

Rules enforced here:

1. An interval is half-open, ``[start, end)``, in microseconds; an empty one does not exist.
2. Every result is sorted, and no two of its intervals overlap or touch.
"""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]


def union(*parts: Iterable[Interval]) -> Intervals:
    """Every moment that is in any of them."""
    joined: list[Interval] = []
    for start, end in sorted(one for part in parts for one in part if one[0] < one[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


def intersection(left: Iterable[Interval], right: Iterable[Interval]) -> Intervals:
    """Every moment that is in both."""
    one, other = union(left), union(right)
    found: list[Interval] = []
    first = second = 0
    while first < len(one) and second < len(other):
        start = max(one[first][0], other[second][0])
        end = min(one[first][1], other[second][1])
        if start < end:
            found.append((start, end))
        if one[first][1] < other[second][1]:
            first += 1
        else:
            second += 1
    return tuple(found)


def difference(left: Iterable[Interval], right: Iterable[Interval]) -> Intervals:
    """Every moment that is in ``left`` and not in ``right``."""
    holes = union(right)
    found: list[Interval] = []
    for start, end in union(left):
        for hole_start, hole_end in holes:
            if hole_end <= start:
                continue
            if hole_start >= end:
                break
            if start < hole_start:
                found.append((start, hole_start))
            start = hole_end  # noqa: PLW2901  (what is left of the interval)
            if start >= end:
                break
        if start < end:
            found.append((start, end))
    return tuple(found)


def total(parts: Iterable[Interval]) -> int:
    """How long they are together, each moment counted once."""
    return sum(end - start for start, end in union(parts))
