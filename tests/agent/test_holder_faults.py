"""No window: an agent that dies at the worst moment of its talk with the holder."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lockgate.agent.guard.holder import SOCKET_NAME
from lockgate.agent.guard.processes import born_holders_of, holders_of
from lockgate.agent.guard.standby import Standby

from .conftest import PRIVATE, GuardProcess, descriptors, error_of, wait_until

pytestmark = pytest.mark.root
SECONDS = 3.0


def _dirty(guard: GuardProcess) -> Path:
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    return path


def _opens(path: Path, seconds: float = SECONDS) -> list[int]:
    """What opens of ``path`` got for a while."""
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        found.append(error_of(path))
    return found


def _newborn(guard: GuardProcess) -> int:
    """The holder that is starting; 0: none yet. What launches it has another command line."""
    return next(iter(born_holders_of(guard.run_dir)), 0)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("moment_s", [0.0, 0.1])
def test_an_agent_that_dies_while_its_new_holder_starts_leaves_no_window(
    guard: GuardProcess, moment_s: float
) -> None:
    """The new holder has the group, nobody to tell that it is ready, and refuses."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    guard.end_holders()
    newborn = wait_until(lambda: _newborn(guard))
    time.sleep(moment_s)
    with _stopped(newborn):
        guard.kill()

    assert 0 not in _opens(path)
    guard.start(grace="0.3")
    assert 0 not in _opens(path, 0.3)


@pytest.mark.parametrize("word", [b"HELLO", b"STAY"])
def test_an_agent_that_is_gone_before_its_answer_leaves_no_window(
    guard: GuardProcess, word: bytes
) -> None:
    """The holder cannot send the group, and goes on as without an agent."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    holder = guard.holder()
    assert holder is not None
    guard.kill()
    with _stopped(holder), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(guard.run_dir / SOCKET_NAME))
        connection.send(word + b" 1024 20000")

    assert 0 not in _opens(path)
    assert guard.holder() == holder
    guard.start(grace="0.3")
    assert 0 not in _opens(path, 0.3)


def test_holders_without_a_descriptor_left_refuse(guard: GuardProcess) -> None:
    """Neither holder nor standby ends by an error, with an agent or without."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    pids = [wait_until(guard.holder), wait_until(guard.standby)]
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[pid][1]))
    with_agent = _opens(path, 1.5)
    guard.kill()
    without = _opens(path)

    assert 0 not in with_agent + without
    assert holders_of(guard.run_dir)
    for pid in set(pids) & holders_of(guard.run_dir):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits[pid])
    guard.start(grace="0.3")
    assert 0 not in _opens(path, 0.3)


def test_there_is_a_standby_at_every_moment_of_its_renewal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The former copy lives until the new one does, and not longer."""
    standby = Standby(silence_s=60)
    alive: list[bool] = []
    real_fork = os.fork

    def fork() -> int:
        alive.append(_copies() == 1)
        return real_fork()

    try:
        assert standby.renew() is False
        monkeypatch.setattr(os, "fork", fork)
        for _ in range(3):
            wait_until(lambda: _copies() == 1)
            assert standby.renew() is False
        wait_until(lambda: _copies() == 1)
    finally:
        standby.end()

    assert alive == [True] * 3
    assert _copies() == 0


def test_without_a_process_left_there_is_no_standby_that_knows_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The former copy is ended, nothing stays open, and the next try is as good as any."""
    strangers, standby = descriptors(), Standby(silence_s=60)

    def no_process() -> int:
        raise BlockingIOError(errno.EAGAIN, "no process left")

    try:
        assert standby.renew() is False
        before = descriptors() - strangers
        with monkeypatch.context() as lacking:
            lacking.setattr(os, "fork", no_process)
            with pytest.raises(BlockingIOError):
                standby.renew()
        assert _copies() == 0
        assert not standby.lives()
        assert standby.renew() is False
        assert len(descriptors() - strangers) == len(before)
    finally:
        standby.end()


def _copies() -> int:
    """The standbys that this process made."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = (Path(f"/proc/{pid}/comm") for pid in children)
    return sum(name.read_text().strip() == "lockgate-second" for name in names)
