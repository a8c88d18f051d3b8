"""A filesystem of its own for every test that guards, and the guard as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lockgate.agent.guard.processes import holders_of, kill, parent_of

PROGRAM = Path(__file__).parents[1] / "fakes" / "guard_program.py"
LIFETIME_S = 240
CLEAN = b"an ordinary file\n" * 64
DIRTY = b"SECRET key bytes\n" * 64
PRIVATE = b"PRIVATE key bytes\n" * 64


def mount_scratch(image: Path, point: Path) -> None:
    """A new ext4 in a file, loop-mounted."""
    with image.open("wb") as target:
        target.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", image], check=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", image, point], check=True)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A mounted scratch filesystem, unmounted whatever the test does."""
    point = Path(tempfile.mkdtemp(prefix="lockgate-b1-")) / "zone"
    mount_scratch(tmp_path / "image", point)
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", point], check=False)
        point.rmdir()
        point.parent.rmdir()


class GuardProcess:
    """The guard program, its holder, and what they left."""

    def __init__(self, zone: Path, base: Path) -> None:
        self.zone = zone
        self.run_dir = base / "run"
        self.state_dir = base / "state"
        self.state_dir.mkdir()
        self.launcher: list[str] = []
        self.passed: tuple[int, ...] = ()
        self._process: subprocess.Popen[str] | None = None
        self._limits: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int:
        """The agent's pid."""
        assert self._process is not None
        return self._process.pid

    def start(self, **options: str) -> None:
        """Start and wait for READY; a hard limit of time ends it in any case."""
        arguments = [f"{key}={value}" for key, value in options.items()]
        program = [sys.executable, PROGRAM, self.zone, self.run_dir, self.state_dir, *arguments]
        self._process = subprocess.Popen(
            [*self.launcher, *program], stdout=subprocess.PIPE, text=True, pass_fds=self.passed
        )
        self._limits.append(
            subprocess.Popen(
                ["sh", "-c", f"sleep {LIFETIME_S}; kill -KILL {self._process.pid}"],
                start_new_session=True,
            )
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "READY\n"

    def signal(self, number: int) -> None:
        """Send a signal to the agent."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Wait until the agent is gone."""
        assert self._process is not None
        self._process.wait(10)

    def holder(self) -> int | None:
        """The holder's pid."""
        return self._holder_named("lockgate-holder")

    def standby(self) -> int | None:
        """The pid of the holder's standby."""
        return self._holder_named("lockgate-second")

    def _holder_named(self, name: str) -> int | None:
        pids = holders_of(self.run_dir)
        for pid in pids:
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() != name:
                    continue
                if name == "lockgate-second" or parent_of(pid) not in pids:
                    return pid  # a copy that was forked just now still has the holder's name
        return None

    def has_read_open_of(self, path: Path) -> bool:
        """Whether the agent has taken an event of an open of ``path``, and not answered it."""
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):
                if entry.readlink() == path:
                    return True
        return False

    def receipts(self) -> list[dict[str, str]]:
        """What the decider was told, in order."""
        keys = ("enforcement", "verdict", "reason", "errno", "path", "quarantine_id", "executable")
        lines = (self.state_dir / "receipts").read_text().splitlines()
        return [dict(zip(keys, line.split("\t"), strict=True)) for line in lines]

    def enforcements(self, count: int) -> list[str]:
        """What was done about each attempt, once there are ``count`` receipts."""
        wait_until(lambda: len(self.receipts()) >= count)
        return [receipt["enforcement"] for receipt in self.receipts()]

    def snapshot(self) -> dict[str, object]:
        """What the guard said of itself when it ended."""
        found: dict[str, object] = json.loads((self.state_dir / "snapshot").read_text())
        return found

    def end_holders(self) -> None:
        """SIGKILL the holder and its standby, also when they are stopped."""
        while pids := holders_of(self.run_dir):
            kill(pids, 1.0)

    def end(self) -> None:
        """End agent and holder, whatever state they are in."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        self.end_holders()
        for limit in self._limits:
            os.killpg(limit.pid, signal.SIGKILL)
            limit.wait()


@pytest.fixture
def guard(scratch: Path, tmp_path: Path) -> Iterator[GuardProcess]:
    """A guard that is not started yet."""
    process = GuardProcess(scratch, tmp_path)
    try:
        yield process
    finally:
        process.end()


def descriptors() -> set[tuple[str, str]]:
    """What this process has open: each number and what it leads to.

    To be compared as sets: what other tests left may be closed at any time.
    """
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the list's own is closed then
        with suppress(OSError):
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))  # noqa: PTH115 - every byte
    return found


def error_of(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """The errno of one open; 0 when it succeeds."""
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return error.errno or -1
    return 0


def wait_until(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """Wait until ``condition()`` is true; what it gave."""
    end = time.monotonic() + timeout_s
    while not (given := condition()):
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.01)
    return given
