"""One reader of the group: two of them would answer each other's opens."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lockgate.agent.guard import processes
from lockgate.agent.guard.disarm import disarm

from .conftest import CLEAN, PRIVATE, PROGRAM, GuardProcess, error_of, wait_until

pytestmark = pytest.mark.root
LIFETIME_S = 60


@pytest.fixture
def zone(guard: GuardProcess) -> Path:
    """Two clean and two dirty files."""
    for number in (1, 2):
        (guard.zone / f"clean{number}").write_bytes(CLEAN)
        (guard.zone / f"dirty{number}").write_bytes(PRIVATE)
    return guard.zone


def _storm(zone: Path, seconds: float = 2.0) -> Counter[tuple[str, int]]:
    """What opens of all files at once got, by the first letters of the name and errno."""
    found: Counter[tuple[str, int]] = Counter()
    end = time.monotonic() + seconds

    def run(path: Path) -> None:
        while time.monotonic() < end:
            found[path.name[:5], error_of(path)] += 1

    threads = [threading.Thread(target=run, args=(path,)) for path in [*zone.glob("[cd]*")] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


@contextmanager
def _holder(run_dir: Path, *group: int, grace: str = "1") -> Iterator[subprocess.Popen[bytes]]:
    """A holder that pid 1 starts: with the group of its store, or with none."""
    words = [sys.executable, "-m", processes.HOLDER_MODULE, "--run-dir", str(run_dir)]
    words += ["--grace", grace, *(f"--group={fd}" for fd in group)]
    with subprocess.Popen(words, pass_fds=group) as process:
        try:
            name = Path(f"/proc/{process.pid}/comm")
            wait_until(lambda: name.read_text().strip() == "lockgate-holder")
            yield process
        finally:
            process.kill()


def _families(run_dir: Path) -> int:
    """How many holders there are that are no other's standby."""
    pids = processes.holders_of(run_dir)
    return sum(processes.parent_of(pid) not in pids for pid in pids)


def test_a_holder_that_comes_late_is_the_only_one(guard: GuardProcess, zone: Path) -> None:
    """Pid 1 starts one when the agent has its own already: nothing leaks, no clean open fails."""
    guard.start(grace="1")
    group = processes.duplicate_group(processes.holders_of(guard.run_dir))
    assert group is not None
    with _holder(guard.run_dir, group):
        os.close(group)
        wait_until(lambda: _families(guard.run_dir) == 1)
        time.sleep(2.5)  # longer than its grace: an agent that it did not know would be ended
        found = _storm(zone)

    assert {code for name, code in found if name == "clean"} == {0}
    assert 0 not in {code for name, code in found if name == "dirty"}


def test_an_agent_is_not_started_twice_though_its_files_are_gone(
    guard: GuardProcess, zone: Path, tmp_path: Path
) -> None:
    """The second ends; the first goes on and answers rightly."""
    guard.start()
    for file in guard.run_dir.iterdir():
        file.unlink()
    state = tmp_path / "other-state"
    state.mkdir()
    words = [sys.executable, PROGRAM, zone, guard.run_dir, state]
    second = subprocess.run(words, capture_output=True, timeout=LIFETIME_S, check=False)
    found = _storm(zone)

    assert b"running already" in second.stderr
    assert {code for name, code in found if name == "clean"} == {0}
    assert {code for name, code in found if name == "dirty"} == {errno.EPERM}


def test_an_agent_does_not_join_a_holder_of_another_group(guard: GuardProcess, zone: Path) -> None:
    """It keeps its own group alive by a holder of its own: its death opens nothing."""
    guard.start(grace="1")
    guard.signal(signal.SIGSTOP)
    guard.end_holders()
    with _holder(guard.run_dir, grace="30"):
        guard.signal(signal.SIGCONT)
        time.sleep(3)
        guard.kill()
        found = _storm(zone, 1.0)

    assert 0 not in {code for name, code in found if name == "dirty"}


def test_disarming_lasts_though_the_holder_does_not_know_the_agent(
    guard: GuardProcess, zone: Path
) -> None:
    """An agent that has not joined its new holder yet is ended, and puts nothing on again."""
    guard.start()
    group = processes.duplicate_group(processes.holders_of(guard.run_dir))
    assert group is not None
    guard.signal(signal.SIGSTOP)
    with _holder(guard.run_dir, group):
        os.close(group)
        wait_until(lambda: _families(guard.run_dir) == 1)
        disarm(guard.run_dir, guard.state_dir)
        guard.signal(signal.SIGCONT)
        time.sleep(2)

    assert error_of(zone / "dirty1") == 0
    assert not processes.holders_of(guard.run_dir)
