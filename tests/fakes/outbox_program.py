"""Outbox agents that are killed: ``outbox_program.py DIR``.

For each line on standard input, the seconds that an agent lives once it watches, an agent is
forked, killed with SIGKILL, and ``DEAD`` is said. Forking saves the time of starting Python.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from watched import watching

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.watch.inotify import Inotify
from lockgate.agent.watch.judging import Judging
from lockgate.agent.watch.outbox import Outbox
from lockgate.agent.watch.staging import Staging


def eager(zone: ZoneSettings, judging: Judging[Any]) -> Outbox:
    """An outbox that takes files at once, so that a short life has much to do."""
    staging = Staging(zone.path)
    source = Inotify(staging.outbox)
    return Outbox(zone, "host", judging, staging, source, quiet_s=0.0, rescan_s=1.0)


def live(box: Path, ready: int) -> None:
    """Be an agent until killed."""
    with watching(box, Mode.OUTBOX, eager):
        os.write(ready, b"!")
        time.sleep(60)


def live_and_die(box: Path, seconds: float) -> None:
    """One agent from its first turn to its end."""
    watched, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        live(box, ready)
    os.read(watched, 1)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(watched)
    os.close(ready)


if __name__ == "__main__":
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    for line in sys.stdin:
        live_and_die(Path(sys.argv[1]), float(line))
        sys.stdout.write("DEAD\n")
        sys.stdout.flush()
