"""Scans and decisions for a thread that can wait for them, over the guard's workers and decider.

Rules enforced here:

1. The guard hears nothing of it: questions have mailboxes of their own and negative numbers.
2. Whoever waits too long gets what the guard would: a report that says nothing, or a HOLD.
"""

from __future__ import annotations

import itertools
import os
import select
import time
from typing import Protocol, TypeVar

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.workers.process import lost_report
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, HoldReason, Receipt, Transfer, hold

_T = TypeVar("_T")
_DECISION_S = 60.0


class Scanning(Protocol):
    """What is needed of the scan workers."""

    def submit(
        self,
        job: int,
        fd: int,
        path: str,
        timeout_s: float,
        *,
        zone: str = "",
        background: bool = False,
        answers: Mailbox[tuple[int, Report]] | None = None,
        follow: bool = False,
    ) -> None:
        """See :meth:`lockgate.agent.workers.pool.WorkerPool.submit`."""
        ...

    def cancel(self, job: int) -> None:
        """Forget a job."""
        ...


class Deciding(Protocol):
    """What is needed of who decides."""

    def request(
        self,
        job: int,
        transfer: Transfer,
        report: Report,
        answers: Mailbox[tuple[int, Decision]] | None = None,
    ) -> None:
        """Ask, with the answer into ``answers``."""
        ...

    def record(self, receipt: Receipt) -> None:
        """Keep a receipt, durably; returns at once."""
        ...


class Asking:
    """Used from any thread but the guard's."""

    def __init__(self, workers: Scanning, decider: Deciding, scan_timeout_s: float) -> None:
        self._workers = workers
        self._decider = decider
        self._scan_timeout_s = scan_timeout_s
        self._numbers = itertools.count(-1, -1)

    def scan(self, fd: int, path: str, zone: str) -> Report:
        """The report on ``fd``; ``path`` is escaped. The wait for a free worker is bounded too."""
        job, answers = next(self._numbers), Mailbox[tuple[int, Report]]()
        self._workers.submit(job, fd, path, self._scan_timeout_s, zone=zone, answers=answers)
        return self._report(job, answers, fd, path)

    def scan_behind_writer(self, fd: int, path: str, zone: str) -> Report:
        """The report on a file that may still grow under its writer's lock; nobody waits for it."""
        job, answers = next(self._numbers), Mailbox[tuple[int, Report]]()
        timeout = self._scan_timeout_s
        self._workers.submit(
            job, fd, path, timeout, zone=zone, background=True, answers=answers, follow=True
        )
        return self._report(job, answers, fd, path)

    def _report(self, job: int, answers: Mailbox[tuple[int, Report]], fd: int, path: str) -> Report:
        report = _one(answers, 2 * self._scan_timeout_s)
        if report is None:
            self._workers.cancel(job)
            return lost_report(path, os.fstat(fd).st_size, "no scan worker was free in time")
        return report

    def decide(self, transfer: Transfer, report: Report) -> Decision:
        """What is to be done with a transfer."""
        answers = Mailbox[tuple[int, Decision]]()
        self._decider.request(next(self._numbers), transfer, report, answers)
        return _one(answers, _DECISION_S) or hold(HoldReason.DEADLINE)

    def record(self, receipt: Receipt) -> None:
        """Keep a receipt, durably; returns at once."""
        self._decider.record(receipt)


def _one(answers: Mailbox[tuple[int, _T]], timeout_s: float) -> _T | None:
    """The one answer that comes, if it comes in time."""
    end = time.monotonic() + timeout_s
    poller = select.poll()
    poller.register(answers.fileno(), select.POLLIN)
    try:
        while (left := end - time.monotonic()) > 0:
            poller.poll(left * 1000)
            for _, answer in answers.collect():
                return answer
    finally:
        answers.close()
    return None
