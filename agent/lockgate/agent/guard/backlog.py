"""Files to be judged when there is time, each by a descriptor of its own.

Rules enforced here:

1. The descriptors are bounded. A file that does not fit is remembered only as "something on
   that device changed since then", and is found again by a walk.
2. No lease is held here: a file that waits for idle time is in nobody's way.
3. Files that were asked for, because their scan takes long, go before all others.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict

from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.custody import unseal


class Backlog:
    """The files that nobody waits for."""

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._files: OrderedDict[Inode, int] = OrderedDict()
        self._wanted: OrderedDict[Inode, int] = OrderedDict()
        #: Device -> st_ctime_ns of the oldest change on it that did not fit.
        self.missed: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._files) + len(self._wanted)

    @property
    def is_done(self) -> bool:
        """Whether no file waits, neither held nor missed."""
        return not (self._files or self._wanted or self.missed)

    @property
    def has_wanted(self) -> bool:
        """Whether a file waits that was asked for."""
        return bool(self._wanted)

    @property
    def has_room(self) -> bool:
        """Whether another file fits."""
        return len(self) < self._limit

    def is_wanted(self, inode: Inode) -> bool:
        """Whether a file that was asked for waits here. Any thread may ask."""
        return inode in self._wanted

    def offer(self, fd: int, status: os.stat_result) -> bool:
        """A file that was written: True when ``fd`` is kept, and closed by this backlog."""
        if not (status.st_size and status.st_nlink and stat.S_ISREG(status.st_mode)):
            return False
        inode = (status.st_dev, status.st_ino)
        if inode in self._files or inode in self._wanted:
            return False
        if not self.has_room:
            known = self.missed.get(status.st_dev, status.st_ctime_ns)
            self.missed[status.st_dev] = min(known, status.st_ctime_ns)
            return False
        unseal(fd)
        self._files[inode] = fd
        return True

    def put_first(self, fd: int) -> None:
        """A file that was asked for; the caller keeps ``fd``."""
        status = os.fstat(fd)
        inode = (status.st_dev, status.st_ino)
        if inode not in self._wanted and len(self._wanted) < self._limit:
            self.discard(inode)
            try:
                self._wanted[inode] = os.dup(fd)
            except OSError:  # no descriptor left: the next open asks again
                self.shrink()

    def miss_all(self, device: int) -> None:
        """Every file of a device is to be judged anew."""
        self.missed[device] = 0

    def discard(self, inode: Inode) -> None:
        """A file is judged already."""
        for files in (self._files, self._wanted):
            fd = files.pop(inode, None)
            if fd is not None:
                os.close(fd)

    def take(self, *, wanted_only: bool) -> int | None:
        """The next file to judge; the caller closes the descriptor."""
        files = self._wanted or ({} if wanted_only else self._files)
        return files.pop(next(iter(files))) if files else None

    def shrink(self) -> None:
        """Give all descriptors back; the files are found again by a walk."""
        for fd in (*self._files.values(), *self._wanted.values()):
            status = os.fstat(fd)
            known = self.missed.get(status.st_dev, status.st_ctime_ns)
            self.missed[status.st_dev] = min(known, status.st_ctime_ns)
            os.close(fd)
        self._files.clear()
        self._wanted.clear()
