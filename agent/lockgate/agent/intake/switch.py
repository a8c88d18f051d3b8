"""Putting the intake on and taking it off.

Rules enforced here:

1. Only root may. A collector that is there already is named, and replaced only when told so.
2. The order survives a death at any point: a listener that answers, the record of what was
   there before, the kernel's setting, a trial with a real crash, and only then the report.
   A trial that fails puts everything back.
3. The socket is tried where the kernel has it; else, and when its trial fails, the pipe.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from lockgate.agent.config import AgentSettings
from lockgate.agent.intake import pattern, process, wire
from lockgate.agent.intake.pattern import PIPE, SOCKET, Kernel, PatternError, Setting
from lockgate.agent.notes import note_change
from lockgate.wire.transfer import GuardChange

_TRIAL_S = 3.0


def enable(
    settings: AgentSettings, kernel: Kernel, *, socket: bool, replace: bool = False
) -> Setting:
    """Have all core dumps of this host taken in. ``socket``: the kernel has coredump sockets.

    Raises:
        PermissionError: the caller is not root.
        PatternError, IntakeError: it cannot be put on; nothing is changed.
        OSError: a file or setting could not be written; nothing is changed.
    """
    _need_root("put the intake on")
    present = pattern.kept(settings.state_dir)
    if present is not None and pattern.drift_of(kernel, present) is None:
        process.watch_over(settings)
        return present
    if present is None:
        _refuse_replacing(kernel, replace=replace)
    process.check_store(settings)
    if not process.answers(settings.run_dir):
        process.start(settings)
    setting = _try_ways(settings, kernel, present, [SOCKET, PIPE] if socket else [PIPE])
    detail = f"core_pattern {pattern.shown(setting.pattern)}, was "
    detail += pattern.shown(setting.old_pattern)
    note_change(settings.state_dir, settings.run_dir, GuardChange.INTAKE_ENABLED, detail)
    return setting


def disable(settings: AgentSettings, kernel: Kernel) -> Setting | None:
    """Put back what was there before, then end the intake; None: it was not on.

    Raises:
        PermissionError: the caller is not root.
        PatternError, OSError: it could not be put back; the intake still serves.
    """
    _need_root("take the intake off")
    setting = pattern.kept(settings.state_dir)
    if setting is None:
        return None
    kernel.set(setting.old_pattern, setting.old_limit)
    detail = f"core_pattern {pattern.shown(setting.old_pattern)} as before"
    note_change(settings.state_dir, settings.run_dir, GuardChange.INTAKE_DISABLED, detail)
    pattern.forget(settings.state_dir)
    process.end(settings.run_dir)
    return setting


def _need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise PermissionError(f"only root may {what}")


def _refuse_replacing(kernel: Kernel, *, replace: bool) -> None:
    found = kernel.pattern()
    collector = pattern.collector_of(found)
    if collector and not replace:
        raise PatternError(
            f"{collector} takes the core dumps of this host (core_pattern "
            f"{pattern.shown(found)}); set intake.folders to where it keeps them, or use --replace"
        )


def _try_ways(
    settings: AgentSettings, kernel: Kernel, present: Setting | None, ways: list[str]
) -> Setting:
    for way in ways:
        wanted = pattern.wanted_pattern(way, settings.run_dir, settings.state_dir)
        setting = pattern.new_setting(kernel, way, wanted, present)
        if way == PIPE:
            pattern.write_launcher(settings.state_dir, _launcher_words(settings))
        pattern.keep(settings.state_dir, setting)
        try:
            kernel.set(setting.pattern, setting.limit)
            if _trial(settings.run_dir):
                return setting
        except OSError:
            pass
        _put_back(settings.state_dir, kernel, setting)
    raise PatternError("a crash on trial did not reach the intake; core_pattern is as it was")


def _put_back(state_dir: Path, kernel: Kernel, setting: Setting) -> None:
    kernel.set(setting.old_pattern, setting.old_limit)
    pattern.forget(state_dir)


def _launcher_words(settings: AgentSettings) -> list[str]:
    place = process.place_of(settings)
    numbers = (place.quota.max_bytes, place.quota.max_files, place.crashes_per_hour)
    return [str(place.run_dir), str(place.store), *map(str, numbers)]


def _trial(run_dir: Path) -> bool:
    """Whether a process that crashes reaches the intake, which knows that it is a trial."""
    # The shell waits for a line, so that its number is known to the intake before it crashes.
    with subprocess.Popen(
        ["/bin/sh", "-c", "read line; kill -SEGV $$"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    ) as child:
        wire.ask(run_dir, "expect", child.pid)
        with suppress(subprocess.TimeoutExpired):
            child.communicate(b"\n", timeout=_TRIAL_S)
        end = time.monotonic() + _TRIAL_S
        while (answer := wire.ask(run_dir, "seen", child.pid)) == "waiting":
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        child.kill()
    return answer == "seen"
