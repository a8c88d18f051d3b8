"""Crash loops: the same unit, in the same place, again and again.

Rules enforced here:

1. The first crashes of an hour are kept, so that somebody can look at the fault; of the rest
   only metadata is, so that a loop cannot fill the disk.
2. What is remembered is bounded. What is forgotten is treated as seen for the first time.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from lockgate.agent.intake.entry import Entry, State

WINDOW_S = 3600.0
_MOST_PLACES = 10_000


class CrashLoops:
    """Counts crashes by their signature; times in seconds since the epoch."""

    def __init__(self, kept_per_hour: int) -> None:
        self._most = kept_per_hour
        self._kept: OrderedDict[str, deque[float]] = OrderedDict()

    @classmethod
    def remembering(cls, kept_per_hour: int, entries: Iterable[Entry]) -> Self:
        """What an earlier intake kept in the last hour counts."""
        loops = cls(kept_per_hour)
        for entry in entries:
            if entry.state is State.SEALED and entry.crash.stack:
                loops.keeps(entry.crash.stack, datetime.fromisoformat(entry.time).timestamp())
        return loops

    def keeps(self, signature: str, now: float) -> bool:
        """Whether one more dump of this crash is kept; if so it counts."""
        times = self._kept.setdefault(signature, deque())
        self._kept.move_to_end(signature)
        while times and not now - WINDOW_S < times[0] <= now + WINDOW_S:
            times.popleft()
        if len(times) >= self._most:
            return False
        times.append(now)
        if len(self._kept) > _MOST_PLACES:
            self._kept.popitem(last=False)
        return True
