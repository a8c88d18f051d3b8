"""The ways in which a canary's bytes are asked for: those by which files leave in earnest.

Rules enforced here:

1. Each way opens the file itself, by its name in a folder, and counts the bytes it gets;
   the bytes go no further.
2. The errno of a refused open is the result. What keeps a way from being tried at all has
   another: EOPNOTSUPP, so that it is not taken for a refusal.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Mapping

_ENOUGH = 4096
_CLONE_NEWNS = 0x00020000


def by_read(folder: int, name: str) -> int:
    """open(2) and read(2)."""
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return len(os.read(file, _ENOUGH))
    finally:
        os.close(file)


def by_mmap(folder: int, name: str) -> int:
    """A private mapping, mmap(2)."""
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        with mmap.mmap(file, 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as mapped:
            return len(mapped[:_ENOUGH])
    finally:
        os.close(file)


def by_sendfile(folder: int, name: str) -> int:
    """sendfile(2) into a file in memory."""
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    target = os.memfd_create("canary", os.MFD_CLOEXEC)
    try:
        return os.sendfile(target, file, 0, _ENOUGH)
    finally:
        os.close(target)
        os.close(file)


def by_namespace(folder: int, name: str) -> int:
    """read(2) from a mount namespace of its own, unshare(2): a mark on a mount stays behind."""
    os.fchdir(folder)  # unshare moves the working directory to the copy of its mount
    libc = ctypes.CDLL(None)
    if libc.unshare(_CLONE_NEWNS) < 0:
        raise OSError(errno.EOPNOTSUPP, "no mount namespace could be made")
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return len(os.read(file, _ENOUGH))
    finally:
        os.close(file)


#: By name; each runs in a process of its own.
WAYS: Mapping[str, Callable[[int, str], int]] = {
    "read": by_read,
    "mmap": by_mmap,
    "sendfile": by_sendfile,
    "namespace": by_namespace,
}
