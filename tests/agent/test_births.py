"""Inode numbers that are given again, and what that tells of those who had the former file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.agent.conftest import CLEAN, GuardProcess, error_of

from lockgate.agent.guard.births import Births
from lockgate.agent.guard.statx import birth_of, inode_at

FILE = (1, 2)
CREATE = os.O_WRONLY | os.O_CREAT


def _birth(path: Path) -> int | None:
    fd = os.open(path, os.O_RDONLY)
    try:
        return birth_of(fd)
    finally:
        os.close(fd)


def test_another_birth_under_a_number_is_another_file() -> None:
    """The same birth is the same file, and a file of another device is none of its business."""
    births = Births()
    seen = [(FILE, 10), (FILE, 10), ((2, 2), 11), (FILE, 12), (FILE, 12), (FILE, 10)]

    assert [births.is_another(*one) for one in seen] == [False, False, False, True, False, True]


def test_a_birth_that_is_not_known_proves_nothing() -> None:
    """Neither that the file is another, nor afterwards that the next one is."""
    births = Births()
    births.is_another(FILE, 10)

    assert not births.is_another(FILE, None)
    assert not births.is_another(FILE, 11)


def test_births_are_forgotten_in_the_order_they_were_asked_for() -> None:
    """What was seen too long ago proves nothing."""
    births = Births(limit=2)
    for inode in ((1, 1), (1, 2), (1, 1), (1, 3)):
        births.is_another(inode, 10)

    assert births.is_another((1, 1), 11)
    assert not births.is_another((1, 2), 11)


def test_devices_without_exact_births_tell_none(tmp_path: Path) -> None:
    """A pipe has no birth, and a closed descriptor none either."""
    reading, writing = os.pipe()
    os.close(writing)
    try:
        assert birth_of(reading) is None
    finally:
        os.close(reading)
    assert birth_of(-1) is None
    assert inode_at(str(tmp_path / "nothing")) is None


@pytest.mark.root
def test_nothing_that_happens_to_a_file_changes_its_birth(scratch: Path) -> None:
    """Writing, renaming, times and rights do not; the next file of its number has its own."""
    path = scratch / "file"
    path.write_bytes(b"x")
    born, number = _birth(path), path.stat().st_ino
    os.utime(path, ns=(1, 1))
    path.chmod(0o600)
    path.write_bytes(b"more")
    moved = path.rename(scratch / "other")
    later = _birth(moved)
    moved.unlink()
    time.sleep(0.05)
    path.write_bytes(b"y")

    assert born is not None
    assert later == born
    assert path.stat().st_ino == number
    assert _birth(path) not in {born, None}


@pytest.mark.root
def test_readers_killed_in_open_do_not_stand_in_the_way_of_new_files(guard: GuardProcess) -> None:
    """Their closes are never told; a new file that gets the number opens at the first try."""
    guard.start()
    errors = []
    for _ in range(10):
        paths = [guard.zone / f"file{number}" for number in range(8)]
        errors += [error_of(path, CREATE) for path in paths]
        for path in paths:
            path.write_bytes(CLEAN)
        _read_until_killed(paths)
        time.sleep(0.2)  # the descriptors that they were judged by are closed
        for path in paths:
            path.unlink()

    assert errors == [0] * 80


def _read_until_killed(paths: Sequence[Path]) -> None:
    """Two processes for each path that do nothing but open it, killed wherever they are."""
    readers = []
    for path in (*paths, *paths):
        reader = os.fork()
        if reader == 0:
            while True:
                error_of(path)
        readers.append(reader)
    time.sleep(0.4)
    for reader in readers:
        os.kill(reader, signal.SIGKILL)
    for reader in readers:
        os.waitpid(reader, 0)
