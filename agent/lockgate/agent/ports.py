"""What the guard needs from its neighbours, and nothing more.

Rules enforced here:

1. Nothing on these interfaces blocks: the guard answers the kernel from one thread.
2. A job that was submitted always ends in a report; a dead or overrun worker gives a report
   with the gap ``worker-lost``, never silence.
3. A decision that was requested always comes back; whatever is not known is a HOLD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, Receipt, Transfer


class Workers(Protocol):
    """The unprivileged processes that scan."""

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll for reading; the list may change after :meth:`collect`."""
        ...

    def submit(self, job: int, fd: int, path: str, timeout_s: float) -> None:
        """Have ``fd`` scanned; the caller keeps its own descriptor. ``path`` is escaped."""
        ...

    def collect(self) -> list[tuple[int, Report]]:
        """Jobs that ended since the last call, with their reports."""
        ...

    def cancel(self, job: int) -> None:
        """Forget a job; no report of it need come any more."""
        ...

    def close(self) -> None:
        """End the processes."""
        ...


class Decider(Protocol):
    """Who decides: the controller's client, or the policy on this host."""

    def fileno(self) -> int:
        """An eventfd that is readable while decisions wait."""
        ...

    def request(self, job: int, transfer: Transfer, report: Report) -> None:
        """Ask what is to be done with a transfer."""
        ...

    def collect(self) -> list[tuple[int, Decision]]:
        """Decisions that came since the last call."""
        ...

    def record(self, receipt: Receipt) -> None:
        """Keep a receipt, durably; returns at once."""
        ...

    def close(self) -> None:
        """Stop asking."""
        ...
