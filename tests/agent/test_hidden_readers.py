"""A writer and a reader that no process's table shows: the guard keeps them apart."""

from __future__ import annotations

import array
import errno
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agent.conftest import CLEAN, GuardProcess, error_of, wait_until

pytestmark = pytest.mark.root
APPEND = os.O_WRONLY | os.O_APPEND


@contextmanager
def _in_flight(path: Path) -> Iterator[None]:
    """An open file that lives in a socket's queue only (unix(7), SCM_RIGHTS)."""
    here, there = socket.socketpair()
    with here, there:
        fd = os.open(path, os.O_RDONLY)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
        here.sendmsg([b"."], [rights])
        os.close(fd)
        yield


@contextmanager
def _behind_a_loop_device(path: Path) -> Iterator[None]:
    """An open file that lives in the kernel only (losetup(8))."""
    command = ["losetup", "--read-only", "--show", "-f", path]
    device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


@pytest.mark.parametrize("hidden", [_in_flight, _behind_a_loop_device])
@pytest.mark.parametrize("flags", [APPEND, os.O_RDWR])
def test_a_reader_that_no_process_shows_keeps_writers_out(
    guard: GuardProcess, hidden: object, flags: int
) -> None:
    """EBUSY for as long as it is there, at every try; afterwards the writer comes in."""
    assert callable(hidden)
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(writer_wait="0.2")
    with hidden(path):
        errors = [error_of(path, flags) for _ in range(3)]

    assert errors == [errno.EBUSY] * 3
    wait_until(lambda: error_of(path, flags) == 0)


def test_a_writer_comes_in_at_once_after_the_last_reader(guard: GuardProcess) -> None:
    """Readers that closed cost no writer anything."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start()
    errors = set()
    for _ in range(100):
        assert error_of(path) == 0
        errors.add(error_of(path, APPEND))

    assert errors == {0}


def test_closes_that_the_kernel_merged_cost_one_refusal(guard: GuardProcess) -> None:
    """A writer that comes in the same moment is refused once at most; then the kernel is asked."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start()
    for _ in range(3):
        fds = [os.open(path, os.O_RDONLY) for _ in range(3)]
        for fd in fds:
            os.close(fd)
        assert error_of(path, APPEND) in {0, errno.EBUSY}
        wait_until(lambda: error_of(path, APPEND) == 0)
