"""The number of the last heartbeat that the controller has acknowledged, on disk.

Rules enforced here:

1. A number that was acknowledged is not used again, also after a restart or a power cut.
"""

from __future__ import annotations

import json
from pathlib import Path

from lockgate.agent.durable import write_durably


class Beats:
    """The count of one agent. A file that cannot be read starts it anew, which is noticed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.acknowledged = max(0, int(json.loads(path.read_text("ascii"))["acknowledged"]))
        except (OSError, ValueError, KeyError, TypeError):
            self.acknowledged = 0

    def acknowledge(self, sequence: int) -> None:
        """Everything up to ``sequence`` is known to the controller.

        Raises:
            OSError: it could not be kept.
        """
        if sequence > self.acknowledged:
            write_durably(self._path, {"acknowledged": sequence})
            self.acknowledged = sequence
