"""The opens that wait for an answer, in order of their deadlines, and the writers among them
that wait until others have left their file.

Rules enforced here: every open that waits has a deadline, and all wait equally long, so that
the order of arrival is the order of the deadlines.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.commands import Opening
from lockgate.agent.guard.jobs import Job


@dataclass(slots=True)
class Pending:
    """One open that waits. ``parked_until``: when a writer gives up waiting for others."""

    opening: Opening
    deadline: float
    job: Job | None = None
    parked_until: float | None = None
    asked: bool = False


class PendingOpens:
    """All opens that wait, by the number of their event's descriptor."""

    def __init__(self) -> None:
        #: In order of arrival; to be looked at only.
        self.waiting: OrderedDict[int, Pending] = OrderedDict()
        self._parked: defaultdict[Inode, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self.waiting)

    def __getitem__(self, number: int) -> Pending:
        return self.waiting[number]

    def get(self, number: int) -> Pending | None:
        """The open of that number, if it still waits."""
        return self.waiting.get(number)

    def add(self, opening: Opening, deadline: float) -> None:
        """An open begins to wait."""
        self.waiting[opening.number] = Pending(opening, deadline)

    def remove(self, number: int) -> None:
        """An open is answered."""
        self.unpark(number)
        pending = self.waiting.pop(number)
        if pending.job is not None:
            pending.job.waiters.remove(number)

    def first(self) -> Pending | None:
        """The open that has waited longest."""
        return next(iter(self.waiting.values()), None)

    def park(self, number: int, until: float) -> None:
        """A writer waits for others to leave its file."""
        pending = self.waiting[number]
        pending.parked_until = until
        self._parked[pending.opening.inode].append(number)

    def unpark(self, number: int) -> None:
        """A writer waits for nobody any more."""
        pending = self.waiting[number]
        if pending.parked_until is None:
            return
        pending.parked_until = None
        numbers = self._parked[pending.opening.inode]
        numbers.remove(number)
        if not numbers:
            del self._parked[pending.opening.inode]

    def parked(self) -> Sequence[Pending]:
        """The writers that wait for others."""
        return [self.waiting[n] for numbers in self._parked.values() for n in numbers]

    def parked_at(self, inode: Inode) -> Sequence[Pending]:
        """The writers that wait for others to leave one file."""
        return [self.waiting[number] for number in self._parked.get(inode, ())]

    @property
    def writers_wait(self) -> bool:
        """Whether any writer waits for others."""
        return bool(self._parked)
