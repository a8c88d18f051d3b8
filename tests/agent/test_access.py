"""A write-only open is believed only where the registers prove it."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard.access import (
    UNKNOWN,
    Access,
    may_be_opening,
    parse_syscall,
)

WRITE_ONLY = Access(reads=False, writes=True, truncates=False)


@pytest.mark.parametrize(
    ("line", "access"),
    [
        ("257 0xffffff9c 0x7ffd 0x80001 0x1b6 0x0 0x0 0x7f 0x7f", WRITE_ONLY),
        ("257 0xffffff9c 0x7ffd 0x80000 0x0 0x0 0x0 0x7f 0x7f", Access(True, False, False)),
        ("2 0x7ffd 0x241 0x1b6 0x0 0x0 0x0 0x7f 0x7f", Access(False, True, True)),
        ("2 0x7ffd 0x2 0x0 0x0 0x0 0x0 0x7f 0x7f", Access(True, True, False)),
        ("2 0x7ffd 0x3 0x0 0x0 0x0 0x0 0x7f 0x7f", Access(True, True, False)),
        ("85 0x7ffd 0x1b6 0x0 0x0 0x0 0x0 0x7f 0x7f", Access(False, True, True)),
        ("437 0xffffff9c 0x7ffd 0x7ffe 0x18 0x0 0x0 0x7f 0x7f", UNKNOWN),
        ("426 0x3 0x1 0x1 0x0 0x0 0x0 0x7f 0x7f", UNKNOWN),
        ("running", UNKNOWN),
        ("-1 0x7ffd 0x7ffe", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_access_is_read_from_the_registers(line: str, access: Access) -> None:
    """open, openat and creat tell; openat2, io_uring and a dying process do not."""
    assert parse_syscall(line, "x86_64") == access


@given(st.text(max_size=80), st.sampled_from(["x86_64", "aarch64", "riscv64"]))
def test_no_line_raises(line: str, machine: str) -> None:
    """Whatever stands in /proc, the answer is an access."""
    assert isinstance(parse_syscall(line, machine), Access)


def test_a_sleeping_thread_is_not_opening() -> None:
    """A thread that waits in another system call has left its open."""
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        while may_be_opening(sleeper.pid):
            pass
    finally:
        sleeper.kill()
        sleeper.wait()


def test_what_nobody_counted_may_be_opening_and_what_is_gone_is_not() -> None:
    """Thread 0 stands for many; a thread without /proc has no open to leave."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert may_be_opening(0)
    assert not may_be_opening(gone.pid)
