"""One open descriptor of a file, and the leases that tell who else has it open.

Rules enforced here:

1. A file under judgement is never opened a second time by its path: everything happens on
   the descriptor that the kernel gave with the event.
2. A read lease (fcntl(2), F_SETLEASE) is granted only when nobody has the file open for
   writing or holds a writable shared mapping of it, and it keeps new writers out.
3. A write lease is granted only when nobody else has the file open at all.
4. The identity is read again after the scan; a report belongs to bytes that did not change.
"""

from __future__ import annotations

import os
from fcntl import F_RDLCK as _RDLCK
from fcntl import F_SETLEASE as _SETLEASE
from fcntl import F_UNLCK as _UNLCK
from fcntl import F_WRLCK as _WRLCK
from fcntl import fcntl as _fcntl

from lockgate.wire.transfer import FileIdentity


def identity_of(status: os.stat_result) -> FileIdentity:
    """The identity of an open file."""
    return FileIdentity(
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )


def seal(fd: int) -> bool:
    """Take a read lease: True when the file has no writer, the pending opener included."""
    try:
        _fcntl(fd, _SETLEASE, _RDLCK)
    except OSError:
        return False
    return True


def unseal(fd: int) -> None:
    """Give the lease back, so that waiting writers go on."""
    try:
        _fcntl(fd, _SETLEASE, _UNLCK)
    except OSError:  # there was none
        return


def is_sole(fd: int, *, keep: bool = False) -> bool:
    """True when nobody else has the file open, neither to read nor to write.

    ``keep``: leave the lease that shows it to the close of ``fd``.
    """
    try:
        _fcntl(fd, _SETLEASE, _WRLCK)
    except OSError:
        return False
    if not keep:
        unseal(fd)
    return True


class Custody:
    """A descriptor of its own on one file, for as long as the file is judged."""

    __slots__ = ("fd", "identity", "path")

    def __init__(self, fd: int, identity: FileIdentity, path: str) -> None:
        """Take a duplicate of ``fd``; a lease on ``fd`` is shared with the duplicate."""
        self.fd = os.dup(fd)
        self.identity = identity
        self.path = path

    def unchanged(self) -> bool:
        """Whether the file still is what it was when it was taken."""
        return identity_of(os.fstat(self.fd)) == self.identity

    def close(self) -> None:
        """Give back lease and descriptor; a worker may still hold its own."""
        if self.fd >= 0:
            unseal(self.fd)
            os.close(self.fd)
            self.fd = -1
