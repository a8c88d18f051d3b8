"""Who was let in to which file, so that readers and writers never meet.

Rules enforced here:

1. A file that somebody was let in to read stays so until the kernel, or a look through /proc,
   says that nobody reads it.
2. A thread that was let in counts until it has left open(2): before that its descriptor is
   nowhere to be seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from lockgate.agent.guard.access import Access
from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.commands import Opening

_THREADS_LIMIT = 4096


class Admissions:
    """The readers and writers of the guarded files."""

    def __init__(self) -> None:
        self._read: set[Inode] = set()
        self._written: set[Inode] = set()
        self._threads: defaultdict[Inode, set[int]] = defaultdict(set)

    def inherit(self, readers: Iterable[Inode], writers: Iterable[Inode]) -> None:
        """Files that processes had open before the guard saw any event."""
        self._read.update(readers)
        self._written.update(writers)

    def read(self, inode: Inode, tid: int) -> None:
        """A thread is let in to read."""
        self._read.add(inode)
        self._admit_thread(inode, tid)

    def knows(self, inode: Inode) -> bool:
        """Whether anybody was let in to a file and may still be there."""
        return inode in self._written or inode in self._read

    def admit(self, inode: Inode, tid: int, access: Access | None) -> None:
        """An opener is let in as it asked; ``access`` None: to read only."""
        self._admit_thread(inode, tid)
        if access is None or access.reads:
            self._read.add(inode)
        if access is not None and access.writes:
            self._written.add(inode)

    def closed(self, inode: Inode, *, sole: bool, quiet: bool) -> None:
        """A file was closed. ``sole``: nobody has it open; ``quiet``: nobody writes it."""
        if sole:
            self._read.discard(inode)
            self._threads.pop(inode, None)
        if sole or quiet:
            self._written.discard(inode)

    def examined(self, inode: Inode, *, read: bool, written: bool) -> None:
        """Whether processes other than the waiting writer have the file open."""
        if not read:
            self._read.discard(inode)
        if not written:
            self._written.discard(inode)
        if not read and not written:
            self._threads.pop(inode, None)

    def obstruct(self, opening: Opening) -> bool:
        """Whether somebody let in stands in a writer's way: a reader, or, if it reads, a writer."""
        alone = opening.access is not None and opening.access.reads
        return opening.inode in self._read or (alone and opening.inode in self._written)

    def threads_beside(self, opening: Opening) -> frozenset[int]:
        """Threads let in to the file that may not have left open(2), but for the opener's."""
        return frozenset(self._threads.get(opening.inode, ())) - {opening.tid}

    def _admit_thread(self, inode: Inode, tid: int) -> None:
        """Remember a thread; thousands on one file are remembered as thread 0."""
        threads = self._threads[inode]
        threads.add(tid if len(threads) < _THREADS_LIMIT else 0)
