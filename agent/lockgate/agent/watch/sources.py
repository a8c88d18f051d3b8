"""What a source of events tells a mode, whatever the kernel interface behind it.

Rules enforced here:

1. Events are hints: where to look, never what happened. What was lost is said, and answered
   by looking everywhere again.
2. What waits to be looked at is bounded; beyond the bound it counts as lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Paths that one source keeps for the next look.
MOST_HINTS = 50_000


@dataclass(frozen=True, slots=True)
class Hints:
    """Where to look. ``lost``: events are missing, so look everywhere."""

    files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.files or self.folders or self.lost)


class Source(Protocol):
    """Tells of files that may be new or changed below one folder."""

    @property
    def name(self) -> str:
        """What it is, for status: ``inotify`` or ``fanotify``."""
        ...

    def fileno(self) -> int:
        """Readable while :meth:`collect` may have something."""
        ...

    def collect(self) -> Hints:
        """Where something may have happened since the last call; does not wait."""
        ...

    def overflows(self) -> int:
        """How often events were lost since the start."""
        ...

    def weaknesses(self, directories: int) -> Sequence[str]:
        """Why it may miss files now; ``directories``: how many the last look found."""
        ...

    def close(self) -> None:
        """Stop."""
        ...
