"""With a service manager that keeps descriptors, nothing leaks when all our processes die."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from service_manager import ServiceManager

from lockgate.agent.guard import processes, systemd
from lockgate.agent.guard.disarm import disarm

from .conftest import CLEAN, PRIVATE, GuardProcess, error_of, wait_until
from .test_holder import Load


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceManager]:
    """A service manager that every process started by the test can speak to."""
    path = tmp_path / "notify"
    with ServiceManager(path) as running:
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield running


def _kill_all(guard: GuardProcess) -> None:
    os.kill(guard.pid, signal.SIGKILL)
    while pids := processes.holders_of(guard.run_dir):  # a dying one may have made a standby
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    guard.wait()


def _start_with_store(guard: GuardProcess, manager: ServiceManager) -> None:
    guard.launcher = manager.launcher()
    guard.passed = tuple(fd for _, fd in manager.store)
    guard.start(grace="0.3")


@pytest.mark.root
def test_agent_and_holder_killed_at_once_leak_nothing(
    guard: GuardProcess, manager: ServiceManager
) -> None:
    """Opens wait while only the manager has the group; the next agent refuses them."""
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    guard.start(grace="0.3")
    with Load(path) as load:
        for _ in range(3):
            wait_until(lambda: manager.kept(systemd.PIN_NAME))
            _kill_all(guard)
            time.sleep(0.3)
            _start_with_store(guard, manager)
            time.sleep(0.2)

    assert load.leaks == 0
    assert load.opens > 20
    assert load.longest < 5


@pytest.mark.root
def test_the_detector_sees_the_leak_without_a_store(guard: GuardProcess) -> None:
    """The same deaths, standby included, let opens pass when nobody else has the group."""
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    guard.start(grace="0.3")
    with Load(path) as load:
        guard.signal(signal.SIGSTOP)
        guard.end_holders()
        guard.kill()
        time.sleep(0.2)

    assert load.leaks > 0


@pytest.mark.root
def test_events_that_the_dead_had_read_are_swept_by_the_next(
    guard: GuardProcess, manager: ServiceManager
) -> None:
    """Numbers of a dead agent are refused before anybody reads again."""
    path = guard.zone / "file"
    path.write_bytes(b"NEVER")
    guard.start()
    opener = subprocess.Popen(["cat", path], stderr=subprocess.DEVNULL)
    wait_until(lambda: guard.has_read_open_of(path))
    _kill_all(guard)
    _start_with_store(guard, manager)

    assert opener.wait(10) == 1


@pytest.mark.root
def test_a_holder_that_is_a_service_gets_the_group_back(
    guard: GuardProcess, manager: ServiceManager
) -> None:
    """It makes the group itself, has it kept, and holds on when it is started again."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.run_dir.mkdir()
    holder = _start_holder(guard, manager)
    guard.start()
    before = error_of(path)
    _kill_all(guard)
    holder.wait(20)
    second = _start_holder(guard, manager)
    waited = error_of(path)  # no agent comes: after the grace the holder refuses
    guard.start()
    after = error_of(path)

    assert (before, waited, after) == (0, errno.EAGAIN, 0)
    assert guard.holder() == second.pid
    disarm(guard.run_dir, guard.state_dir)
    assert second.wait(20) == 0


def _start_holder(guard: GuardProcess, manager: ServiceManager) -> subprocess.Popen[bytes]:
    command = [*manager.launcher(), sys.executable, "-m", processes.HOLDER_MODULE]
    command += ["--run-dir", str(guard.run_dir), "--grace", "0.5"]
    manager.said.clear()
    process = subprocess.Popen(command, pass_fds=[fd for _, fd in manager.store])
    wait_until(lambda: "READY=1" in manager.said)
    return process


@pytest.mark.root
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_disarming_takes_the_guard_off_although_the_manager_keeps_the_group(
    guard: GuardProcess, manager: ServiceManager, *, stopped: bool
) -> None:
    """The marks go at once; a holder that is started again from the store gives all back."""
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    guard.start(grace="0.3")
    if stopped:
        for pid in (guard.pid, *processes.holders_of(guard.run_dir)):
            os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    disarm(guard.run_dir, guard.state_dir)
    took = time.monotonic() - begin
    guard.wait()

    assert error_of(path) == 0
    assert took < 1.0
    if stopped:
        assert _start_holder(guard, manager).wait(20) == 0
    wait_until(lambda: not manager.store)
    assert error_of(path) == 0
    subprocess.run(["umount", guard.zone], check=True)


@pytest.mark.root
def test_the_agent_beats_for_the_service_manager(
    guard: GuardProcess, manager: ServiceManager
) -> None:
    """WATCHDOG=1 comes from the loop, so that a loop that hangs is noticed."""
    guard.start()
    wait_until(lambda: manager.said.count("WATCHDOG=1") >= 2)


def test_without_a_service_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call does nothing, and no descriptor is taken."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")

    assert not systemd.notify("READY=1")
    assert systemd.received() == {}
