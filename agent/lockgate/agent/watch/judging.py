"""Files on their way through workers and decider, for the modes that hold no open.

Rules enforced here:

1. A file is judged by one descriptor, which is ours until :meth:`Judging.finish`.
2. Every file that was begun comes back judged, once for each time it was asked about.
3. Nothing here waits: the caller polls :meth:`Judging.filenos` and calls
   :meth:`Judging.turn`, which tells each file's own zone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from lockgate.agent.guard.cache import Inode
from lockgate.agent.ports import Decider, Workers
from lockgate.agent.verdicts.transfers import receipt_of
from lockgate.scan.report import Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Decision, HoldReason, Receipt, Transfer

Subject = TypeVar("Subject")

#: Holds that are about this host or the controller, not about the file.
TRANSIENT = frozenset(
    {
        HoldReason.CONTROLLER_UNREACHABLE,
        HoldReason.CERTIFICATE,
        HoldReason.SCAN_PENDING,
        HoldReason.DEADLINE,
        HoldReason.OVERLOAD,
        HoldReason.AGENT_DOWN,
        HoldReason.SPOOL_FULL,
        HoldReason.STORE_FULL,
        HoldReason.RULE_PACK,
    }
)


@dataclass(slots=True)
class _Job(Generic[Subject]):
    subject: Subject
    fd: int
    transfer: Transfer
    settle: Callable[[Judged[Subject]], None]
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Judged(Generic[Subject]):
    """A file with what was seen in it and what is decided about it."""

    subject: Subject
    fd: int = field(repr=False)
    transfer: Transfer
    report: Report
    decision: Decision


class Judging(Generic[Subject]):
    """Jobs in flight; ``Subject`` is what the caller wants to know again at the end."""

    def __init__(self, workers: Workers, decider: Decider, scan_timeout_s: float) -> None:
        self._workers = workers
        self._decider = decider
        self._timeout_s = scan_timeout_s
        self._jobs: dict[int, _Job[Subject]] = {}
        self._last = 0
        #: The senders' files that are being judged in any outbox of this agent, by staged key.
        self.sources: dict[str, Inode] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll; readable while :meth:`turn` has something to do."""
        return (*self._workers.filenos(), self._decider.fileno())

    def begin(
        self,
        subject: Subject,
        fd: int,
        transfer: Transfer,
        settle: Callable[[Judged[Subject]], None],
    ) -> None:
        """Have ``fd`` scanned and decided, then call ``settle``; takes the descriptor over."""
        number = self._add(_Job(subject, fd, transfer, settle))
        self._workers.submit(
            number,
            fd,
            transfer.path,
            self._timeout_s,
            zone=transfer.zone.name,
            background=True,
        )

    def ask_again(self, judged: Judged[Subject], settle: Callable[[Judged[Subject]], None]) -> None:
        """Have a scanned file decided once more, as a transfer of its own."""
        transfer = replace(judged.transfer, transfer_id=uuid7())
        job = _Job(judged.subject, judged.fd, transfer, settle, judged.report)
        self._decider.request(self._add(job), transfer, judged.report)

    def turn(self) -> None:
        """Pass on what was scanned, and settle what was decided, since the last turn."""
        for number, report in self._workers.collect():
            if job := self._jobs.get(number):
                job.report = report
                self._decider.request(number, job.transfer, report)
        for number, decision in self._decider.collect():
            done = self._jobs.pop(number, None)
            if done is not None and done.report is not None:
                done.settle(Judged(done.subject, done.fd, done.transfer, done.report, decision))

    def finish(self, judged: Judged[Subject], receipt: Receipt) -> None:
        """Give the descriptor back and keep what was done."""
        os.close(judged.fd)
        self._decider.record(receipt)

    def postpone(self, judged: Judged[Subject], detail: str) -> None:
        """Keep that a file was held; it is asked about again, as another transfer."""
        receipt = receipt_of(judged.transfer, judged.decision, 0)
        self._decider.record(replace(receipt, detail=detail))

    def close(self) -> None:
        """Forget what is in flight."""
        for number, job in self._jobs.items():
            self._workers.cancel(number)
            os.close(job.fd)
        self._jobs.clear()

    def _add(self, job: _Job[Subject]) -> int:
        self._last += 1
        self._jobs[self._last] = job
        return self._last
