"""Files that are there whole after a power cut, or not at all, and names that replace none."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lockgate.agent.libc import LIBC, checked

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


def write_durably(path: Path, record: Mapping[str, object]) -> None:
    """Write ``record`` as JSON: temporary file, fsync(2), rename, fsync of the directory.

    Raises:
        OSError: it is not certain that the record is on disk.
    """
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(fd, "w", encoding="ascii") as target:
            json.dump(record, target)
            target.flush()
            os.fsync(target.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_privately(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, whole or not at all, also after a power cut.

    Raises:
        OSError: it is not certain that it is on disk.
    """
    fresh = path.with_name(f".{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(fd)
    fresh.replace(path)
    sync_directory(path.parent)


@dataclass(frozen=True, slots=True)
class UnnamedFile:
    """A new file, for its owner alone, that has no name yet; ``fd`` is open for writing."""

    fd: int
    _fresh: str
    _target: Path

    def sync(self) -> None:
        """Have the content on the disk."""
        os.fsync(self.fd)

    def give_name(self) -> None:
        """Let it appear as the target, durably.

        Raises:
            FileExistsError: the name is taken.
        """
        rename_exclusively(self._fresh, self._target)
        sync_directory(self._target.parent)


@contextmanager
def unnamed_file(target: Path) -> Iterator[UnnamedFile]:
    """A file to be written beside ``target``; without :meth:`UnnamedFile.give_name` it is gone.

    Raises:
        OSError: it could not be made.
    """
    fd, fresh = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        yield UnnamedFile(fd, fresh, target)
    finally:
        os.close(fd)
        Path(fresh).unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def rename_exclusively(
    source: str | Path,
    target: str | Path,
    *,
    source_dir: int = _AT_FDCWD,
    target_dir: int = _AT_FDCWD,
) -> None:
    """renameat2(2) with RENAME_NOREPLACE: atomic, and no file of that name is lost.

    Raises:
        FileExistsError: the name is taken.
        OSError: the kernel refused; EINVAL: the filesystem cannot.
    """
    old, new = os.fsencode(source), os.fsencode(target)
    checked(LIBC.renameat2(source_dir, old, target_dir, new, _RENAME_NOREPLACE), "renameat2")
