"""The binding answers real events of a scratch filesystem."""

from __future__ import annotations

import errno
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard import fanotify

pytestmark = pytest.mark.root
OPENER = """
import os, sys
try: os.close(os.open(sys.argv[1], os.O_RDONLY)); print(0)
except OSError as error: print(error.errno)
"""


@pytest.fixture
def answers(scratch: Path) -> Iterator[fanotify.Answers]:
    """A group that watches the scratch filesystem; closing it lets waiting opens pass."""
    (scratch / "file").write_bytes(b"content")
    group = fanotify.create()
    directory = os.open(scratch, os.O_PATH)
    fanotify.mark(group, directory)
    os.close(directory)
    yield fanotify.Answers(group)
    os.close(group)


def _opener(path: Path) -> subprocess.Popen[str]:
    command = ["timeout", "-s", "KILL", "20", sys.executable, "-I", "-c", OPENER, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _next_open(answers: fanotify.Answers) -> int:
    """The descriptor of the next open; closes are passed over."""
    while select.select([answers.group], [], [], 10)[0]:
        for mask, fd, _tid in fanotify.events(answers.read()):
            if mask & fanotify.OPEN_PERM:
                return fd
            os.close(fd)
    raise AssertionError("no event came")


def _result(opener: subprocess.Popen[str]) -> int:
    return int(opener.communicate(timeout=20)[0])


@pytest.mark.parametrize("code", [errno.EPERM, errno.EBUSY, errno.EAGAIN])
def test_each_errno_reaches_the_opener(answers: fanotify.Answers, scratch: Path, code: int) -> None:
    """The three errnos of the contract arrive as they were given."""
    opener = _opener(scratch / "file")
    fd = _next_open(answers)
    assert answers.deny(fd, code)
    os.close(fd)

    assert _result(opener) == code


def test_an_allowed_open_succeeds(answers: fanotify.Answers, scratch: Path) -> None:
    """ALLOW is ALLOW."""
    opener = _opener(scratch / "file")
    fd = _next_open(answers)
    assert answers.allow(fd)
    os.close(fd)

    assert _result(opener) == 0


def test_an_errno_that_the_kernel_refuses_becomes_a_plain_denial(
    answers: fanotify.Answers, scratch: Path
) -> None:
    """The opener is denied all the same, and later denials are EPERM as well."""
    opener = _opener(scratch / "file")
    fd = _next_open(answers)
    answers.deny(fd, errno.ENOENT)
    os.close(fd)

    assert (_result(opener), answers.errno_answers) == (errno.EPERM, False)


def test_a_sweep_refuses_what_was_read_and_not_answered(
    answers: fanotify.Answers, scratch: Path
) -> None:
    """Also when the descriptor is closed, because answers go by number."""
    opener = _opener(scratch / "file")
    fd = _next_open(answers)
    os.close(fd)

    assert answers.sweep(256) == 1
    assert _result(opener) == errno.EAGAIN


def test_an_answer_to_nothing_is_not_an_error(answers: fanotify.Answers) -> None:
    """False tells that the event is gone."""
    assert not answers.allow(200)


def test_an_unmount_takes_the_mark_away(answers: fanotify.Answers, scratch: Path) -> None:
    """The group's own list of filesystems shows it."""
    before = fanotify.marked(answers.group)
    device = scratch.stat().st_dev
    subprocess.run(["umount", scratch], check=True)

    assert (before, fanotify.marked(answers.group)) == ({device}, set())


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(-24, 99), st.integers(0, 9999))))
def test_events_are_read_back_as_the_kernel_lays_them_out(
    wanted: list[tuple[int, int, int]],
) -> None:
    """Every event with a descriptor is there, in order (fanotify(7))."""
    raw = b"".join(struct.pack("=IBBHQii", 24, 3, 0, 24, *event) for event in wanted)

    assert fanotify.events(raw) == [event for event in wanted if event[1] >= 0]
