"""The guard at one moment: the facts that status and health are made of.

Rules enforced here: a snapshot holds names and counts, and is built without asking anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lockgate.agent.guard import census


class GuardState(StrEnum):
    """How well the guard stands."""

    ENFORCING = "enforcing"
    DEGRADED = "degraded"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The guard at one moment.

    ``unmarked``: names of zones whose filesystem lost its mark. ``weaknesses``: why what
    keeps the guard alive is less than whole. ``backlog``: new files that wait for idle time;
    ``walks``: filesystems to be walked for more of them.
    """

    zones: tuple[str, ...]
    unmarked: tuple[str, ...]
    weaknesses: tuple[str, ...]
    pending: int
    backlog: int
    walks: int
    counts: dict[str, int]
    older_than_mark: tuple[census.OpenFile, ...]

    @property
    def state(self) -> GuardState:
        """The worst of all zones."""
        if self.unmarked:
            return GuardState.BLIND
        return GuardState.DEGRADED if self.weaknesses else GuardState.ENFORCING

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the state is not enforcing."""
        lost = (f"the filesystem of zone {name} lost its mark" for name in self.unmarked)
        return (*self.weaknesses, *lost)
