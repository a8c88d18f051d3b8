"""The census names processes that have a file open or mapped, and how."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockgate.agent.guard.census import Users, open_files, users

MAPPER = """
import mmap, os, sys, time
file = open(sys.argv[1], sys.argv[2])
mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
os.closerange(3, 64)  # mmap keeps a duplicate of its own
print("mapped", flush=True)
time.sleep(60)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with content."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def users_of(inode: tuple[int, int], ignore: int = 0) -> tuple[bool, bool]:
    """Who reads and who writes a file, but for one process."""
    found = users(inode[0], lambda pid: pid == ignore).get(inode, Users())
    return found.read, found.written


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return (status.st_dev, status.st_ino)


def test_nobody_has_a_closed_file(file: Path) -> None:
    """Neither to read nor to write."""
    assert users_of(_inode(file)) == (False, False)


@pytest.mark.parametrize(
    ("mode", "expected"), [("rb", (True, False)), ("ab", (False, True)), ("r+b", (True, True))]
)
def test_a_descriptor_is_seen_with_its_access(
    file: Path, mode: str, expected: tuple[bool, bool]
) -> None:
    """Reading, writing, or both."""
    with file.open(mode):
        assert users_of(_inode(file)) == expected


def test_the_ignored_are_not_seen(file: Path) -> None:
    """The guard's own descriptors do not count."""
    with file.open("rb"):
        assert users_of(_inode(file), os.getpid()) == (False, False)


def test_a_path_descriptor_does_not_count(file: Path) -> None:
    """O_PATH gives no bytes."""
    fd = os.open(file, os.O_PATH)
    try:
        assert users_of(_inode(file)) == (False, False)
    finally:
        os.close(fd)


@pytest.mark.root
def test_a_mapping_without_descriptor_is_seen_by_process(scratch: Path) -> None:
    """Its process is named with its program."""
    path = scratch / "file"
    path.write_bytes(b"content")
    command = [sys.executable, "-c", MAPPER, str(path), "rb"]
    mapper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert mapper.stdout is not None
        mapper.stdout.readline()
        (found,) = [f for f in open_files({scratch.stat().st_dev}) if f.mapped]
        assert (found.pid, found.inode, found.reads, found.mapped) == (
            mapper.pid,
            _inode(path),
            True,
            True,
        )
        assert found.executable == os.path.realpath(sys.executable)
    finally:
        mapper.kill()
        mapper.communicate()
