"""The judgements that run: which file, for whom, and how far.

Rules enforced here:

1. A file is judged once at a time; whoever opens it meanwhile joins.
2. A judgement that nobody waits for is of the background, until somebody joins it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.agent.guard.cache import Inode
from lockgate.scan.report import Report
from lockgate.wire.transfer import FileIdentity


@dataclass(slots=True)
class Job:
    """One judgement. ``sealed``: under a read lease; ``report`` None: it is being scanned."""

    number: int
    identity: FileIdentity
    sealed: bool
    report: Report | None = None
    waiters: list[int] = field(default_factory=list)

    @property
    def inode(self) -> Inode:
        """Device and inode number."""
        return (self.identity.device, self.identity.inode)

    @property
    def scanning(self) -> bool:
        """Whether its scan still runs."""
        return self.report is None


class Jobs:
    """All judgements, by number and by file."""

    def __init__(self) -> None:
        self._by_number: dict[int, Job] = {}
        self._by_inode: dict[Inode, Job] = {}

    def add(self, job: Job) -> Job:
        """Begin a judgement of a file that is not judged now."""
        self._by_number[job.number] = job
        self._by_inode[job.inode] = job
        return job

    def remove(self, job: Job) -> None:
        """A judgement ended."""
        del self._by_number[job.number]
        del self._by_inode[job.inode]

    def get(self, number: int | None) -> Job | None:
        """The judgement of that number, if it goes on."""
        return self._by_number.get(number) if number is not None else None

    def of(self, inode: Inode) -> Job | None:
        """The judgement of a file. Any thread may ask."""
        return self._by_inode.get(inode)

    def background(self) -> Iterator[Job]:
        """Scans that nobody waits for."""
        return (job for job in self._by_number.values() if job.scanning and not job.waiters)
