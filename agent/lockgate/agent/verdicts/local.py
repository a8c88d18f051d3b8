"""Deciding on this host, without a controller.

Rules enforced here:

1. A decision is in the journal, durably, before the guard hears of it; where it cannot be
   written, the file is held.
2. A policy that fails is a HOLD, never an exception and never an ALLOW.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.verdicts.accounts import Accounts
from lockgate.agent.verdicts.journal import Journal, decision_line, guard_line, receipt_line
from lockgate.scan.report import Report
from lockgate.wire.transfer import (
    Decision,
    GuardChange,
    HoldReason,
    Receipt,
    Transfer,
    Verdict,
    Zone,
    hold,
)

#: What a policy says of a report and a transfer at a time; pure.
Rule = Callable[[Report, Transfer, datetime], Decision]

_MOST_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Question:
    job: int
    transfer: Transfer
    report: Report
    answers: Mailbox[tuple[int, Decision]]


_Item: TypeAlias = _Question | Receipt | dict[str, Any] | threading.Event


class LocalDecider:
    """Implements :class:`lockgate.agent.ports.Decider` with a policy and a journal."""

    def __init__(self, rule: Rule, journal: Journal) -> None:
        self._rule = rule
        self._journal = journal
        self._accounts = Accounts()
        self._decisions: Mailbox[tuple[int, Decision]] = Mailbox()
        self._waiting: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="decider", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """See :class:`lockgate.agent.ports.Decider`."""
        return self._decisions.fileno()

    def request(
        self,
        job: int,
        transfer: Transfer,
        report: Report,
        answers: Mailbox[tuple[int, Decision]] | None = None,
    ) -> None:
        """Decide in the background. ``answers``: where one who is not the guard hears of it."""
        self._waiting.put(_Question(job, transfer, report, answers or self._decisions))

    def collect(self) -> list[tuple[int, Decision]]:
        """Decisions that came since the last call."""
        return self._decisions.collect()

    def record(self, receipt: Receipt) -> None:
        """Write a receipt into the journal in the background."""
        self._waiting.put(receipt)

    def guard_changed(self, zone: Zone, change: GuardChange, detail: str) -> None:
        """Write into the journal that a guard was put on or taken off."""
        self._waiting.put(guard_line(zone, change, detail))

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was said so far is durable; False when that took too long."""
        settled = threading.Event()
        self._waiting.put(settled)
        return settled.wait(timeout_s)

    def close(self) -> None:
        """Write what waits, then stop."""
        self._waiting.put(None)
        self._thread.join(timeout=10)
        self._decisions.close()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            ended = False
            while len(batch) < _MOST_AT_ONCE and not self._waiting.empty():
                item = self._waiting.get()
                if item is None:
                    ended = True
                    break
                batch.append(item)
            self._settle(batch)
            if ended:
                break
        self._journal.close()

    def _settle(self, batch: list[_Item]) -> None:
        lines: list[dict[str, Any]] = []
        decided: list[tuple[Mailbox[tuple[int, Decision]], int, Decision]] = []
        for item in batch:
            match item:
                case dict():
                    lines.append(item)
                case Receipt(opener=opener):
                    lines.append(receipt_line(replace(item, opener=self._accounts.named(opener))))
                case _Question(job, transfer, report, answers):
                    transfer = replace(transfer, opener=self._accounts.named(transfer.opener))
                    decision = self._decide(transfer, report)
                    decided.append((answers, job, decision))
                    lines.append(decision_line(transfer, report, decision))
        try:
            self._journal.append(lines, durable=True)
        except OSError:
            decided = [(to, job, _unrecorded(decision)) for to, job, decision in decided]
        else:
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
        for answers, job, decision in decided:
            answers.put((job, decision))

    def _decide(self, transfer: Transfer, report: Report) -> Decision:
        try:
            return self._rule(report, transfer, datetime.now(UTC))
        except Exception:  # noqa: BLE001 - rule 2: whatever a policy does wrong is a HOLD
            return hold(HoldReason.POLICY_ERROR)


def _unrecorded(decision: Decision) -> Decision:
    """What may be done although it could not be written down: everything but letting go."""
    return hold(HoldReason.SPOOL_FULL) if decision.verdict is Verdict.ALLOW else decision
