"""Files that /proc shows with nobody, though not every open that was let in has been closed.

Rules enforced here:

1. Only the kernel knows whether anybody still has such a file open: it grants a write lease
   (fcntl(2), F_SETLEASE) to the only one who has. A writer that waits in open(2) counts too,
   therefore the question is asked after the writer was refused.
2. Doubts are few and short: they cost a descriptor each, and are given up for lack of any.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.custody import is_sole

#: How many files are asked about at a time, how long each, and how often; seconds.
_LIMIT = 64
_ASKED_FOR_S = 2.0
_ASK_EVERY_S = 0.02


class Doubts:
    """The files in doubt, each by a descriptor of its own."""

    def __init__(self) -> None:
        self._files: dict[Inode, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._files)

    def add(self, fd: int, now: float) -> None:
        """Begin to ask about the file of ``fd``, which the caller keeps."""
        status = os.fstat(fd)
        inode = (status.st_dev, status.st_ino)
        if inode in self._files or len(self._files) >= _LIMIT:
            return
        try:
            self._files[inode] = (os.dup(fd), now + _ASKED_FOR_S)
        except OSError:  # no descriptor left: the next refusal asks again
            return

    def settle(self, now: float) -> Iterator[Inode]:
        """Ask about all; the files that nobody else has open."""
        for inode, (fd, until) in list(self._files.items()):
            sole = is_sole(fd)
            if sole or now >= until:
                del self._files[inode]
                os.close(fd)
            if sole:
                yield inode

    def wake_in(self) -> float | None:
        """Seconds until it is worth asking; None: nothing is in doubt."""
        return _ASK_EVERY_S if self._files else None

    def shrink(self) -> None:
        """Give all descriptors back."""
        for fd, _ in self._files.values():
            os.close(fd)
        self._files.clear()
