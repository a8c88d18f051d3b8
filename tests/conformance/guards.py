"""What stands between a way and the bytes: the real agent, or a guard that is weak on purpose.

Rules enforced here:

1. The real guard is the command an operator runs, with the shipped policy and real workers.
2. Every guard is ended by its own process, and also when the suite is killed.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LOCKGATE = str(Path(sys.executable).with_name("lockgate"))
_WEAKENED = str(Path(__file__).with_name("weakened.py"))
#: Seconds after which a guard is taken off whatever happens.
_LIFETIME_S = 1800
_DEADLINE_S = 15
_COMMAND_S = 60


class GuardError(Exception):
    """A guard did not say READY; the text ends with what it complained of."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A running ``lockgate agent guard``."""

    state_dir: Path
    run_dir: Path

    @property
    def disarming(self) -> list[str]:
        """The command that takes the guard off."""
        folders = ["--state-dir", str(self.state_dir), "--run-dir", str(self.run_dir)]
        return [_LOCKGATE, "agent", "disarm", *folders]

    def census(self) -> set[int]:
        """The processes that had files open when the guard was put on."""
        words = ["status", "--census", "--json", "--run-dir", str(self.run_dir)]
        said = subprocess.run(
            [_LOCKGATE, "agent", *words], capture_output=True, timeout=_COMMAND_S, check=False
        )
        if said.returncode:
            log = (self.state_dir.parent / "agent.log").read_text(errors="replace")
            raise GuardError(f"no census: {said.stderr.decode()}\n{log[-2000:]}")
        return {int(process["pid"]) for process in json.loads(said.stdout)["processes"]}

    def disarm(self) -> None:
        """Take the guard off."""
        subprocess.run(self.disarming, stdout=subprocess.DEVNULL, timeout=_COMMAND_S, check=False)


@contextmanager
def agent(zone: Path, folder: Path) -> Iterator[Agent]:
    """The real agent on ``zone``, its files in ``folder``; disarmed at the end."""
    guard = Agent(folder / "state", folder / "run")
    words = [_LOCKGATE, "agent", "guard", str(zone), "--deadline", str(_DEADLINE_S)]
    words += ["--state-dir", str(guard.state_dir), "--run-dir", str(guard.run_dir)]
    process = _start(words, folder / "agent.log")
    limit = subprocess.Popen(
        ["sh", "-c", f"sleep {_LIFETIME_S}; {shlex.join(guard.disarming)}"],
        start_new_session=True,
    )
    try:
        yield guard
    finally:
        guard.disarm()
        _end(process)
        with suppress(ProcessLookupError):
            os.killpg(limit.pid, signal.SIGKILL)
        limit.wait()


@contextmanager
def weakened(weakness: str, mount_point: Path, zone: Path, folder: Path) -> Iterator[None]:
    """A small guard that lacks what ``weakness`` names; see weakened.py."""
    words = ["timeout", "-s", "KILL", "200", sys.executable, _WEAKENED, weakness]
    process = _start([*words, str(mount_point), str(zone)], folder / f"{weakness}.log")
    try:
        yield
    finally:
        process.terminate()  # timeout passes it on
        _end(process)


def _start(words: list[str], log: Path) -> subprocess.Popen[str]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("READY"):
            return process
    process.kill()
    process.wait()
    raise GuardError(f"{' '.join(words)}:\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
