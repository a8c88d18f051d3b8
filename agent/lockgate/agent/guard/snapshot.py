"""The guard at one moment, for status and health.

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
    """The guard at one moment."""

    zones: tuple[str, ...]
    state: GuardState
    reasons: tuple[str, ...]
    pending: int
    counts: dict[str, int]
    older_than_mark: tuple[census.OpenFile, ...]
