"""No window: the agent killed, stopped, hung, replaced and disarmed, under load."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from lockgate.agent.guard.disarm import disarm
from lockgate.agent.guard.group import GroupLink, HolderBusyError

from .conftest import CLEAN, PRIVATE, GuardProcess, error_of, wait_until

pytestmark = pytest.mark.root


class Load:
    """Openers that never rest; ``leaks`` counts dirty opens that passed."""

    def __init__(self, path: Path, threads: int = 4) -> None:
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self.leaks = 0
        self.opens = 0
        self.longest = 0.0

    def _run(self) -> None:
        while not self._stop.is_set():
            begin = time.monotonic()
            self.leaks += error_of(self._path) == 0
            self.opens += 1
            self.longest = max(self.longest, time.monotonic() - begin)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "an opener hangs"


def _dirty(guard: GuardProcess) -> Path:
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    return path


def test_killing_the_agent_under_load_leaks_and_hangs_nothing(guard: GuardProcess) -> None:
    """Openers get errors while the agent dies, is away, and comes back."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    with Load(path) as load:
        for _ in range(3):
            time.sleep(0.3)
            guard.kill()
            time.sleep(0.6)
            guard.start(grace="0.3")
        time.sleep(0.3)

    assert load.leaks == 0
    assert load.opens > 100
    assert load.longest < 5


def test_the_detector_sees_the_leak_of_a_guard_without_holder(guard: GuardProcess) -> None:
    """With its holder gone, killing the agent lets opens pass, and the load counts them."""
    path = _dirty(guard)
    guard.start()
    holder = guard.holder()
    assert holder is not None
    with Load(path) as load:
        time.sleep(0.2)
        guard.signal(signal.SIGSTOP)
        os.kill(holder, signal.SIGKILL)
        guard.kill()
        time.sleep(0.2)

    assert load.leaks > 0


def test_opens_wait_for_a_new_agent_within_the_grace(guard: GuardProcess) -> None:
    """A clean open that comes while no agent runs is answered by the next agent."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(grace="8")
    guard.kill()
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    guard.start(grace="8")
    opener.join(10)

    assert results == [0]


def test_without_a_new_agent_the_holder_refuses(guard: GuardProcess) -> None:
    """After the grace every open fails with EAGAIN, at once."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(grace="0.2")
    guard.kill()
    first = error_of(path)
    begin = time.monotonic()
    second = error_of(path)

    assert (first, second) == (errno.EAGAIN, errno.EAGAIN)
    assert time.monotonic() - begin < 0.5


def test_a_stopped_agent_is_ended_and_its_opens_are_refused(guard: GuardProcess) -> None:
    """SIGSTOP: the holder kills the silent agent; the waiting opener gets EAGAIN, not the file."""
    path = _dirty(guard)
    guard.start(silence="1.5", grace="0.2")
    guard.signal(signal.SIGSTOP)
    begin = time.monotonic()
    result = error_of(path)

    assert result == errno.EAGAIN
    assert time.monotonic() - begin < 4
    guard.wait()


def test_events_that_a_dead_agent_had_read_are_answered(guard: GuardProcess) -> None:
    """An open whose scan was running when the agent died gets EAGAIN from the sweep."""
    path = guard.zone / "file"
    path.write_bytes(b"NEVER")
    guard.start(grace="20")
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    time.sleep(0.3)
    guard.kill()
    opener.join(5)

    assert results == [errno.EAGAIN]


def test_only_one_agent_at_a_time(guard: GuardProcess) -> None:
    """A second agent is told which process holds opens already."""
    guard.start()

    with pytest.raises(HolderBusyError, match=str(guard.pid)):
        GroupLink.open(guard.run_dir)


def test_a_dead_holder_is_replaced(guard: GuardProcess) -> None:
    """The agent starts a new holder, and killing the agent then still leaks nothing."""
    path = _dirty(guard)
    guard.start(grace="0.2")
    old = guard.holder()
    assert old is not None
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: guard.holder() not in (None, old))
    time.sleep(0.5)
    with Load(path) as load:
        guard.kill()
        time.sleep(0.5)

    assert load.leaks == 0


def test_a_polite_signal_does_not_end_the_holder(guard: GuardProcess) -> None:
    """SIGTERM, SIGINT and SIGHUP are ignored."""
    guard.start()
    holder = guard.holder()
    assert holder is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(holder, number)
    time.sleep(0.2)

    assert guard.holder() == holder


def test_the_filesystem_can_be_unmounted_when_the_agent_is_dead(guard: GuardProcess) -> None:
    """The holder pins nothing, and ends when the last mark went with the unmount."""
    guard.start()
    guard.kill()
    subprocess.run(["umount", guard.zone], check=True)
    wait_until(lambda: guard.holder() is None)


def test_disarm_ends_a_running_guard(guard: GuardProcess) -> None:
    """Afterwards files open freely, agent and holder are gone, and a record says who did it."""
    path = _dirty(guard)
    guard.start()
    record = disarm(guard.run_dir, guard.state_dir)
    guard.wait()
    wait_until(lambda: guard.holder() is None)
    (written,) = (guard.state_dir / "records").glob("*.json")

    assert (record.armed, record.killed_agent, error_of(path)) == (True, 0, 0)
    assert json.loads(written.read_text())["uid"] == 0


def test_disarm_ends_a_stopped_agent_within_a_second(guard: GuardProcess) -> None:
    """A SIGSTOPped agent is killed, waiting opens get an error, and later opens pass."""
    path = _dirty(guard)
    guard.start()
    guard.signal(signal.SIGSTOP)
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    time.sleep(0.2)
    begin = time.monotonic()
    record = disarm(guard.run_dir, guard.state_dir)
    took = time.monotonic() - begin
    opener.join(5)
    guard.wait()

    assert took < 1.0
    assert record.killed_agent == guard.pid
    assert error_of(path) == 0


def test_disarm_finds_an_agent_without_holder(guard: GuardProcess) -> None:
    """With the holder dead and the agent stopped, the agent is still found and ended."""
    guard.start()
    guard.signal(signal.SIGSTOP)
    holder = guard.holder()
    assert holder is not None
    os.kill(holder, signal.SIGKILL)
    wait_until(lambda: guard.holder() is None)

    assert disarm(guard.run_dir, guard.state_dir).killed_agent == guard.pid


def test_disarm_says_when_nothing_is_armed(tmp_path: Path) -> None:
    """Without holder and agent nothing is done and nothing is recorded."""
    record = disarm(tmp_path / "run", tmp_path / "state")

    assert not record.armed
    assert not (tmp_path / "state").exists()


def test_a_reader_of_the_last_agent_keeps_writers_out(guard: GuardProcess) -> None:
    """A new agent knows who was let in to read before it, and refuses a writer beside them."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start()
    with path.open("rb"):
        guard.kill()
        guard.start(writer_wait="0.2")
        while_open = error_of(path, os.O_WRONLY)

    assert (while_open, error_of(path, os.O_WRONLY)) == (errno.EBUSY, 0)
