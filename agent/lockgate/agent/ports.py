"""What the guard needs from its neighbours, and nothing more.

Rules enforced here:

1. Nothing on these interfaces blocks: the guard answers the kernel from one thread.
2. A job that was submitted always ends in a report; a dead or overrun worker gives a report
   with the gap ``worker-lost``, never silence.
3. A decision that was requested always comes back; whatever is not known is a HOLD.
4. Readers and release desk are asked only on the slow way, while the kernel holds the opener.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, Receipt, Transfer, Zone


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running scan is. ``remaining_s``: seconds it is expected to take still."""

    done_bytes: int
    total_bytes: int
    remaining_s: float


class Workers(Protocol):
    """The unprivileged processes that scan."""

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll for reading; the list may change after :meth:`collect`."""
        ...

    def submit(
        self,
        job: int,
        fd: int,
        path: str,
        timeout_s: float,
        *,
        zone: str = "",
        background: bool = False,
    ) -> None:
        """Have ``fd`` scanned; the caller keeps its own descriptor. ``path`` is escaped.

        ``zone`` names the zone whose workers scan; ``background`` jobs wait for all others.
        """
        ...

    def estimate_s(self, size: int, zone: str = "") -> float:
        """Seconds that a scan of ``size`` bytes is expected to take, without waiting for others.

        0 while nothing has been measured.
        """
        ...

    def progress(self, job: int) -> Progress | None:
        """How far a job is; None: it is not known, or has not begun. Any thread may ask."""
        ...

    def collect(self) -> list[tuple[int, Report]]:
        """Jobs that ended since the last call, with their reports."""
        ...

    def hasten(self, job: int) -> None:
        """Somebody waits for a job of the background now."""
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


class Readers(Protocol):
    """Processes of a zone that its settings let read whatever they open."""

    def admits(self, zone: Zone, tid: int) -> str | None:
        """The name of the entry that lets thread ``tid`` in; None: none does.

        While a writer waits, also asked for processes that have the file open already.
        """
        ...


class ReleaseDesk(Protocol):
    """Makes release copies of files that cannot be read where they are."""

    def wants(self, tid: int) -> bool:
        """Whether thread ``tid`` opens a file in order to have it copied."""
        ...

    def take(self, fd: int, tid: int) -> None:
        """Get the file that ``tid`` opens: a descriptor of the desk's own, to read only.

        Reading it raises no events. The open itself is refused with EBUSY.
        """
        ...
