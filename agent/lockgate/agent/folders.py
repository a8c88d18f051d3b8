"""Folders of our own on guarded filesystems.

Rules enforced here: they lie below ``MOUNT/.lockgate``, are reached without following a link,
and are for root only, whatever they were.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

HIDDEN = ".lockgate"


def open_directory(path: str | Path, at: int | None = None) -> int:
    """A descriptor of a directory; a link is refused."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, dir_fd=at)


def open_hidden(mount_point: str | Path, name: str) -> int:
    """``MOUNT/.lockgate/NAME``, made if it is not there.

    Raises:
        OSError: it cannot be, or something else is in its place.
    """
    at = open_directory(mount_point)
    for part in (HIDDEN, name):
        with suppress(FileExistsError):
            os.mkdir(part, 0o700, dir_fd=at)
        try:
            inner = open_directory(part, at)
        finally:
            os.close(at)
        at = inner
        os.fchown(at, 0, 0)
        os.fchmod(at, 0o700)
    return at
