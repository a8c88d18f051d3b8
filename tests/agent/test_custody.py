"""Leases tell who else has a file open, and an identity ties a report to bytes."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lockgate.agent.guard.custody import Custody, identity_of, is_sole, seal, unseal

pytestmark = pytest.mark.root


@pytest.fixture
def file(scratch: Path) -> Iterator[Path]:
    """A file on a filesystem with leases; a broken lease must not end the test."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    path = scratch / "file"
    path.write_bytes(b"content")
    yield path
    signal.signal(signal.SIGIO, before)


def test_a_file_without_writer_is_sealed(file: Path) -> None:
    """Readers do not matter for a read lease, but for being alone they do."""
    with file.open("rb") as mine, file.open("rb"):
        assert seal(mine.fileno())
        unseal(mine.fileno())
        assert not is_sole(mine.fileno())


def test_a_writer_prevents_the_seal(file: Path) -> None:
    """Any descriptor open for writing does."""
    with file.open("rb") as mine:
        with file.open("ab"):
            assert not seal(mine.fileno())
        assert seal(mine.fileno())


def test_a_writable_mapping_prevents_the_seal(file: Path) -> None:
    """Also when its descriptor is closed already."""
    with file.open("r+b") as writer:
        mapping = mmap.mmap(writer.fileno(), 0)
    with file.open("rb") as mine:
        assert not seal(mine.fileno())
        mapping.close()
        assert is_sole(mine.fileno())


def test_custody_sees_a_change(file: Path) -> None:
    """New bytes or a new owner make another identity."""
    with file.open("rb") as mine:
        custody = Custody(mine.fileno(), identity_of(os.fstat(mine.fileno())), str(file))
    with closing(custody):
        assert custody.unchanged()
        file.chmod(0o600)
        assert not custody.unchanged()


def test_custody_gives_the_lease_back(file: Path) -> None:
    """After custody a writer opens without waiting."""
    mine = os.open(file, os.O_RDONLY)
    seal(mine)
    custody = Custody(mine, identity_of(os.fstat(mine)), str(file))
    os.close(mine)
    with pytest.raises(BlockingIOError):
        os.open(file, os.O_WRONLY | os.O_NONBLOCK)
    custody.close()

    os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
