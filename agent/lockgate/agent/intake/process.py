"""The intake as a process of this host: found, started, watched over.

Rules enforced here:

1. It is nobody's child: it outlives the agent that started it, and is found again by what it
   answers.
2. One that does not write its state any more hangs, and with it every process that crashes:
   it is ended, which lets them go, and another is started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lockgate.agent.config import AgentSettings
from lockgate.agent.guard.processes import is_stopped, start_ticks
from lockgate.agent.intake import wire
from lockgate.agent.intake.pattern import SETTING_NAME
from lockgate.agent.intake.server import PID_NAME, IntakePlace
from lockgate.agent.intake.state import STALE_S, STATE_NAME
from lockgate.agent.intake.store import IntakeQuota, Store

_START_S = 10.0
_PROGRAM = "from lockgate.agent.cli.app import app; app()"


class IntakeError(Exception):
    """The intake cannot be used; the text says what to do."""


def store_of(settings: AgentSettings) -> Store:
    """The intake store of these settings.

    Raises:
        OSError: it cannot be used.
    """
    place = place_of(settings)
    return Store(place.store, place.quota)


def place_of(settings: AgentSettings) -> IntakePlace:
    """Where the intake of these settings works."""
    chosen = settings.intake
    return IntakePlace(
        run_dir=settings.run_dir,
        state_dir=settings.state_dir,
        store=chosen.store or settings.state_dir / "intake",
        quota=IntakeQuota(chosen.max_bytes, chosen.max_files),
        crashes_per_hour=chosen.crashes_per_hour,
    )


def check_store(settings: AgentSettings) -> None:
    """See that the store is on no guarded filesystem: the intake would wait for the guard.

    Raises:
        IntakeError: it is on one.
    """
    store = place_of(settings).store
    device = _device_of(store)
    for zone in settings.zones:
        if _device_of(zone.path) == device:
            raise IntakeError(
                f"{store} is on the filesystem of the zone {zone.zone.name}; set intake.store to a "
                "folder on another one"
            )


def answers(run_dir: Path) -> bool:
    """Whether an intake serves this run folder."""
    return wire.ask(run_dir, "ping").isdecimal()


def start(settings: AgentSettings) -> None:
    """Start an intake that nobody waits for, and wait until it answers.

    Raises:
        IntakeError: it does not.
    """
    place = place_of(settings)
    words = [sys.executable, "-c", _PROGRAM, "intake", "run"]
    words += ["--run-dir", str(place.run_dir), "--state-dir", str(place.state_dir)]
    words += ["--store", str(place.store), "--max-bytes", str(place.quota.max_bytes)]
    words += ["--max-files", str(place.quota.max_files)]
    words += ["--crashes-per-hour", str(place.crashes_per_hour)]
    place.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(place.state_dir / "intake.log", "ab", opener=_private) as log:
        # A shell between: the intake is nobody's child, and nobody has to bury it.
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *words],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    if not _wait_for(lambda: answers(place.run_dir), _START_S):
        raise IntakeError(f"the intake does not start; see {place.state_dir / 'intake.log'}")


def watch_over(settings: AgentSettings) -> bool:
    """Have an intake that is wanted serve; False when it does not and could not be started."""
    if not (settings.state_dir / SETTING_NAME).exists():
        return True
    if answers(settings.run_dir) or (_writes(settings.run_dir) and _works(settings.run_dir)):
        return True  # busy, or ending with dumps that still come: it says how it is
    end_hanging(settings.run_dir)
    try:
        start(settings)
    except (IntakeError, OSError, subprocess.SubprocessError):
        return False
    return True


def end_hanging(run_dir: Path) -> None:
    """End an intake that hangs; what waits for it is let go by the kernel."""
    if pid := _runs(run_dir):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def end(run_dir: Path) -> None:
    """Have an intake end when all that is coming has come."""
    wire.ask(run_dir, "stop")


def _writes(run_dir: Path) -> bool:
    with suppress(OSError):
        return time.time() - (run_dir / STATE_NAME).stat().st_mtime < STALE_S
    return False


def _runs(run_dir: Path) -> int:
    """The number of the intake's process; 0: it has ended."""
    try:
        pid, ticks = (int(word) for word in (run_dir / PID_NAME).read_text("ascii").split())
    except (OSError, ValueError):
        return 0
    return pid if start_ticks(pid) == ticks else 0


def _works(run_dir: Path) -> bool:
    """Whether the intake's process is there and not stopped."""
    pid = _runs(run_dir)
    return bool(pid) and not is_stopped(pid)


def _device_of(path: Path) -> int | None:
    for candidate in (path, *path.absolute().parents):
        with suppress(OSError):
            return candidate.stat().st_dev
    return None


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end_time = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_time:
            return False
        time.sleep(0.02)
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
