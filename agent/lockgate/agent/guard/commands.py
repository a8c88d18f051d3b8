"""What the gate is told of an open, and what it wants done: the words between gate and guard.

Rules enforced here: these are plain values; the gate makes them, the guard does them in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.agent.guard.access import Access
from lockgate.agent.guard.cache import Inode
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, FileIdentity


@dataclass(frozen=True, slots=True)
class Opening:
    """One pending open. ``access`` None: the read lease was granted, so it can only read.

    ``tid`` is the thread that waits; ``opens`` False: in read(2) of what it has open already.
    """

    number: int
    tid: int
    identity: FileIdentity
    access: Access | None = None
    opens: bool = True

    @property
    def inode(self) -> Inode:
        """Device and inode number."""
        return (self.identity.device, self.identity.inode)


@dataclass(frozen=True, slots=True)
class Pass:
    """Let the opener in; only counted."""

    number: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer as decided, and write a receipt.

    ``transfer_id`` names the transfer that was decided, which may be an earlier attempt's;
    empty: nobody was asked.
    """

    number: int
    decision: Decision
    report: Report | None = None
    transfer_id: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """Take custody of an event's file under a job's name."""

    job: int
    number: int


@dataclass(frozen=True, slots=True)
class Scan:
    """Scan a job's file; ``sealed``: under a read lease, without which there is no scan.

    ``background``: nobody waits for it.
    """

    job: int
    sealed: bool
    background: bool = False


@dataclass(frozen=True, slots=True)
class Hasten:
    """Somebody waits for a job's scan now."""

    job: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask what is to be done about a pending open."""

    ask: int
    number: int
    report: Report


@dataclass(frozen=True, slots=True)
class Examine:
    """Look whether any process has the file of a pending writer open.

    ``admitted`` are threads that were let in and may not have left open(2) yet: until then
    their descriptors are nowhere to be seen.
    """

    number: int
    admitted: frozenset[int]


@dataclass(frozen=True, slots=True)
class Drop:
    """Give a job's custody back; ``cancel``: its scan is of no use any more."""

    job: int
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class Defer:
    """Judge the file of a pending open as soon as there is time, whoever waits."""

    number: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """Ask the kernel whether anybody has the file of a writer open, once that is refused."""

    number: int


Command = Pass | Settle | Take | Scan | Hasten | Ask | Examine | Drop | Defer | Doubt
