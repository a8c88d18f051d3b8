"""The gaps of one scan, gathered so that a hostile file cannot make the report endless.

Rules enforced here:

1. A gap is never lost. Gaps that touch become one; too many of one kind become one that spans
   them all, and too many kinds become one per reason for the whole file.
2. The order is that in which kinds arose, then by offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lockgate.scan.report import Gap, GapReason

#: Ranges of one kind that are told apart.
_RANGES = 256
#: Kinds (reason, member and detail) that are told apart.
_KINDS = 4096

_Kind = tuple[GapReason, str | None, str]


class Gaps:
    """A bounded collection of gaps, each told once."""

    def __init__(self) -> None:
        self._by_kind: dict[_Kind, dict[Gap, None]] = {}

    def __iter__(self) -> Iterator[Gap]:
        for same in self._by_kind.values():
            yield from _joined(same)

    def add(self, gap: Gap) -> None:
        """Remember one gap."""
        kind = gap.reason, gap.member, gap.detail
        if kind not in self._by_kind and len(self._by_kind) >= _KINDS:
            gap = Gap(gap.reason, detail="and more of this reason elsewhere in the file")
            kind = gap.reason, None, gap.detail
        same = self._by_kind.setdefault(kind, {})
        same[gap] = None
        if len(same) > _RANGES:
            self._by_kind[kind] = {_spanning(same): None}

    def update(self, gaps: Iterable[Gap]) -> None:
        """Remember several."""
        for gap in gaps:
            self.add(gap)


def _joined(same: Iterable[Gap]) -> Iterator[Gap]:
    """Gaps of one kind by offset, those that touch or overlap made one."""
    last: Gap | None = None
    for gap in sorted(same, key=lambda g: (-1 if g.offset is None else g.offset, g.length or 0)):
        joined = None if last is None else _join(last, gap)
        if last is not None and joined is None:
            yield last
        last = joined or gap
    if last is not None:
        yield last


def _join(low: Gap, high: Gap) -> Gap | None:
    if low.offset is None or high.offset is None or low.length is None or high.length is None:
        return None
    if low.offset + low.length < high.offset:
        return None
    length = max(low.length, high.offset + high.length - low.offset)
    return Gap(low.reason, low.member, low.offset, length, low.detail)


def _spanning(same: Iterable[Gap]) -> Gap:
    gaps = list(same)
    first = gaps[0]
    starts = [g.offset for g in gaps if g.offset is not None]
    stops = [g.offset + g.length for g in gaps if g.offset is not None and g.length is not None]
    if len(stops) < len(gaps):
        return Gap(first.reason, first.member, None, None, first.detail)
    start = min(starts)
    return Gap(first.reason, first.member, start, max(stops) - start, first.detail)
