"""The workers of one zone, the jobs that wait for them, and when there should be more.

Rules enforced here:

1. Background scans hold at most ``count`` workers, and opens that wait find as many beside
   them.
2. No more workers are started than jobs wait.
3. After a failed start the next comes later, and later still after each further one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from lockgate.agent.workers.process import Job, Worker
from lockgate.agent.workers.rates import Rates
from lockgate.scan.report import GapReason

#: Failed starts in a row after which waiting jobs are given up.
START_ATTEMPTS = 3
_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True, eq=False)
class Crew:
    """One zone's share of the pool. The queues hold jobs by number, oldest first."""

    zone: str
    count: int
    urgent: OrderedDict[int, Job] = field(default_factory=OrderedDict)
    background: OrderedDict[int, Job] = field(default_factory=OrderedDict)
    workers: list[Worker] = field(default_factory=list)
    rates: Rates = field(default_factory=Rates)
    failures: int = 0
    failing: GapReason = GapReason.WORKER_LOST
    start_after: float = 0.0

    def queue(self, *, background: bool) -> OrderedDict[int, Job]:
        """The jobs that wait, of one kind."""
        return self.background if background else self.urgent

    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self.urgent) + len(self.background)

    def worker_for(self, *, background: bool) -> Worker | None:
        """An idle worker that may take a job of that kind."""
        if background and self._in_background() >= self.count:
            return None
        return next((w for w in self.workers if w.is_idle()), None)

    def lacks_worker(self, *, background: bool) -> bool:
        """Whether a job of that kind should have a worker started for it."""
        if any(w.is_idle() for w in self.workers):
            return False
        starting = sum(not w.ready for w in self.workers)
        if len(self.queue(background=background)) <= starting:
            return False
        counted = len(self.workers) - (0 if background else self._in_background())
        return counted < self.count

    def _in_background(self) -> int:
        return sum(w.job is not None and w.job.background for w in self.workers)

    def note_failed_start(self, reason: GapReason) -> None:
        """A worker could not be started, or ended before it was ready."""
        self.failures += 1
        self.failing = reason
        self.start_after = time.monotonic() + min(0.1 * 2**self.failures, _LONGEST_PAUSE_S)

    def has_given_up(self) -> bool:
        """Whether jobs are given up instead of waiting for workers."""
        return self.failures >= START_ATTEMPTS

    def next_start(self) -> float | None:
        """When waiting jobs may have a worker started, if one is lacking."""
        lacking = any(self.lacks_worker(background=kind) for kind in (False, True))
        return self.start_after if lacking else None
