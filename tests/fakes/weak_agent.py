"""An agent with one part weakened, for tests of what it says of itself.

Usage: weak_agent.py WEAKNESS ZONE STATE_DIR RUN_DIR [interval]. WEAKNESS is one of

* ``scanner``: the workers call every file clean;
* ``listener``: every denial lets the opener in;
* ``dead``: every scan ends without a result;
* ``markless``: the filesystem is never marked;
* ``none``: nothing is weakened.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

from guard_neighbours import FakeWorkers, report_on

from lockgate.agent import logs, run
from lockgate.agent.config import AgentSettings, CanarySettings, ZoneSettings
from lockgate.agent.guard import fanotify
from lockgate.scan.report import Report


class WeakWorkers(FakeWorkers):
    """Workers that see nothing: each content is that of ``stands_for``."""

    def __init__(self, stands_for: bytes) -> None:
        super().__init__()
        self._stands_for = stands_for

    def collect(self) -> list[tuple[int, Report]]:
        """Finished scans, of other bytes than were there."""
        return [(job, self._weakened(report)) for job, report in super().collect()]

    def _weakened(self, report: Report) -> Report:
        seen = report_on(self._stands_for, report.path)
        return replace(seen, size=report.size, sha256=report.sha256)

    def process_ids(self) -> list[int]:
        """There are no processes."""
        return []

    def waiting(self) -> int:
        """Nothing waits."""
        return 0

    def weaknesses(self) -> tuple[str, ...]:
        """These never know of any."""
        return ()


def weaken(kind: str) -> None:
    """Replace one part of what an agent is put together from, for the life of this process."""
    allow = fanotify.Answers.allow
    if kind == "scanner":
        mock.patch.object(run, "pool_of", return_value=WeakWorkers(b"clean")).start()
    elif kind == "dead":
        mock.patch.object(run, "pool_of", return_value=WeakWorkers(b"LOST")).start()
    elif kind == "listener":
        mock.patch.object(fanotify.Answers, "deny", lambda self, fd, *_: allow(self, fd)).start()
    elif kind == "markless":
        mock.patch.object(fanotify, "mark").start()


def main() -> None:
    """Guard until ended."""
    kind, zone, state_dir, run_dir = sys.argv[1:5]
    interval = float(sys.argv[5]) if len(sys.argv) > 5 else 60.0
    weaken(kind)
    logs.set_up()
    settings = AgentSettings(
        zones=(ZoneSettings(Path(zone), name="z"),),
        state_dir=Path(state_dir),
        run_dir=Path(run_dir),
        metrics_listen="",
        canary=CanarySettings(interval),
    )
    run.run(settings, local=True)


if __name__ == "__main__":
    os.chdir("/")
    main()
