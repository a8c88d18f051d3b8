"""Receipts of answered opens, and the moving of files that a verdict takes away.

Rules enforced here:

1. Attempts that repeat are counted first, so that a loop of opens fills no spool.
2. A file is moved to quarantine after its opener was refused, and the receipt says how it went.
"""

from __future__ import annotations

from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.repeats import Repeats
from lockgate.agent.ports import Decider
from lockgate.agent.quarantine.store import Quarantine
from lockgate.scan.report import Report
from lockgate.wire.transfer import Receipt, Verdict


class Receipts:
    """What was done about each attempt, on its way to the decider."""

    def __init__(self, decider: Decider, quarantine: Quarantine | None) -> None:
        self._decider = decider
        self._quarantine = quarantine
        self._repeats = Repeats()

    def enforced(self, fd: int, receipt: Receipt, report: Report | None) -> Receipt:
        """Do to the file what the verdict says beside the refusal; the receipt of it."""
        if receipt.verdict is not Verdict.QUARANTINE or self._quarantine is None:
            return receipt
        return self._quarantine.enforce(fd, receipt, report)

    def record(self, receipt: Receipt, inode: Inode, now: float) -> None:
        """Record a receipt; those that repeat are counted first."""
        for due in self._repeats.tried(inode, receipt, now):
            self._decider.record(due)

    def record_due(self, now: float) -> None:
        """Record the counts whose time is over."""
        for receipt in self._repeats.due(now):
            self._decider.record(receipt)
