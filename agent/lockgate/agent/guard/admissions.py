"""Who was let in to which file, so that readers and writers never meet.

Rules enforced here:

1. A file that somebody was let in to read stays so until the kernel, or a look through /proc,
   says that nobody reads it.
2. A thread that was let in counts until it has left open(2): before that its descriptor is
   nowhere to be seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from lockgate.agent.guard.access import Access
from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.commands import Opening

_THREADS_LIMIT = 4096


class Admissions:
    """The readers and writers of the guarded files."""

    def __init__(self) -> None:
        self._readers: dict[Inode, set[int]] = {}
        self._writers: dict[Inode, set[int]] = {}

    def inherit(self, readers: Iterable[Inode], writers: Iterable[Inode]) -> None:
        """Files that processes had open before the guard saw any event."""
        self._readers.update((inode, set()) for inode in readers)
        self._writers.update((inode, set()) for inode in writers)

    def read(self, inode: Inode, tid: int) -> None:
        """A thread is let in to read."""
        threads = self._readers.get(inode)
        if threads is None:
            self._readers[inode] = {tid}
        else:
            _add(threads, tid)

    def knows(self, inode: Inode) -> bool:
        """Whether anybody was let in to a file and may still be there."""
        return inode in self._writers or inode in self._readers

    def admit(self, inode: Inode, tid: int, access: Access | None) -> None:
        """An opener is let in as it asked; ``access`` None: to read only."""
        if access is None or access.reads:
            self.read(inode, tid)
        if access is not None and access.writes:
            _add(self._writers.setdefault(inode, set()), tid)

    def closed(self, inode: Inode, *, sole: bool, quiet: bool) -> None:
        """A file was closed. ``sole``: nobody has it open; ``quiet``: nobody writes it."""
        if sole:
            self._readers.pop(inode, None)
        if sole or quiet:
            self._writers.pop(inode, None)

    def examined(self, inode: Inode, *, read: bool, written: bool) -> None:
        """Whether processes other than the waiting writer have the file open."""
        if not read:
            self._readers.pop(inode, None)
        if not written:
            self._writers.pop(inode, None)

    def obstruct(self, opening: Opening) -> bool:
        """Whether somebody let in stands in a writer's way: a reader, or, if it reads, a writer."""
        alone = opening.access is not None and opening.access.reads
        return opening.inode in self._readers or (alone and opening.inode in self._writers)

    def threads_beside(self, opening: Opening) -> frozenset[int]:
        """Threads let in to the file that may not have left open(2), but for the opener's."""
        sets = (self._readers.get(opening.inode, ()), self._writers.get(opening.inode, ()))
        return frozenset().union(*sets) - {opening.tid}


def _add(threads: set[int], tid: int) -> None:
    """Remember a thread; thousands on one file are remembered as thread 0."""
    threads.add(tid if len(threads) < _THREADS_LIMIT else 0)
