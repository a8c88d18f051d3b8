"""Files that are there whole after a power cut, or not at all, and names that replace none."""

from __future__ import annotations

import ctypes
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_libc = ctypes.CDLL(None, use_errno=True)
_libc.renameat2.argtypes = (
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
)


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
    if _libc.renameat2(source_dir, old, target_dir, new, _RENAME_NOREPLACE) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
