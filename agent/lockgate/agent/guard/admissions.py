"""Who was let in to which file, so that readers and writers never meet.

Rules enforced here:

1. A file that somebody was let in to read stays so until the kernel says that nobody has it
   open, until as many closes were told as opens let in, or until its inode number names another
   file (births.py). /proc alone proves nothing: a
   descriptor in flight between two processes (unix(7), SCM_RIGHTS), a fixed file of an
   io_uring, or the file of a loop device, is in no process's table.
2. One that reads and writes is closed as a writer: it reads until the writers are gone.
3. The count never falls below the truth. The kernel merges closes of one thread, and an open
   that was let in may fail afterwards; both only make it too high. An open that may have
   been to read or to write counts as both. What was open before the guard is not counted,
   since the kernel may never tell of its close: there a look through /proc must show nobody.
4. A thread that was let in counts until it has left open(2): before that its descriptor is
   nowhere to be seen.
5. Readers that a zone's settings name are in nobody's way, and no close of a file that one was
   let in to is counted: it may be theirs, also of a thread that was judged before.
"""

from __future__ import annotations

from collections.abc import Iterable

from lockgate.agent.guard.access import Access
from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.commands import Opening

_THREADS_LIMIT = 4096


class _Admitted:
    """Those let in to one file: how many opens are not closed yet, and by which threads.

    ``writes``: a reader among them writes as well. ``older``: some were open before the guard.
    """

    __slots__ = ("older", "opens", "threads", "writes")

    def __init__(self) -> None:
        self.opens = 0
        self.writes = False
        self.older = False
        self.threads: set[int] = set()

    def note(self, tid: int) -> None:
        """Remember a thread; thousands on one file are remembered as thread 0."""
        self.threads.add(tid if len(self.threads) < _THREADS_LIMIT else 0)


_Files = dict[Inode, _Admitted]


class Admissions:
    """The readers and writers of the guarded files."""

    def __init__(self) -> None:
        self._readers: _Files = {}
        self._writers: _Files = {}
        self._named: set[Inode] = set()

    def inherit(self, readers: Iterable[Inode], writers: Iterable[Inode]) -> None:
        """Files that processes had open before the guard saw any event."""
        for files, inodes in ((self._readers, readers), (self._writers, writers)):
            for inode in inodes:
                _of(files, inode).older = True

    def read(self, inode: Inode, tid: int, *, opens: bool) -> None:
        """A thread is let in to read; ``opens`` False: it has the file open already."""
        admitted = self._readers.get(inode)
        if admitted is None:
            admitted = self._readers[inode] = _Admitted()
        admitted.opens += opens
        admitted.note(tid)

    def knows(self, inode: Inode) -> bool:
        """Whether anybody was let in to a file and may still be there."""
        return inode in self._writers or inode in self._readers

    def admit(self, inode: Inode, tid: int, access: Access | None) -> None:
        """An opener is let in as it asked; ``access`` None: to read only."""
        if access is None or access.reads:
            closes_as_reader = access is None or not (access.writes and access.known)
            self.read(inode, tid, opens=closes_as_reader)
        if access is not None and access.writes:
            if access.reads:
                self._readers[inode].writes = True
            admitted = _of(self._writers, inode)
            admitted.opens += 1
            admitted.note(tid)

    def admit_named(self, inode: Inode) -> None:
        """A reader that the zone's settings name is let in."""
        self._named.add(inode)

    def closed(self, inode: Inode, *, read: bool, wrote: bool) -> None:
        """The last descriptor of an open to read, or to write, or both, was closed."""
        for files, ended in ((self._readers, read), (self._writers, wrote)):
            admitted = files.get(inode) if ended else None
            if admitted is None or inode in self._named:
                continue
            if not admitted.older:  # else it may be the close of one that was never counted
                admitted.opens = max(0, admitted.opens - 1)
        reader, writer = self._readers.get(inode), self._writers.get(inode)
        self._end(inode, read=bool(reader and reader.older), written=bool(writer and writer.older))

    def vacated(self, inode: Inode) -> None:
        """The kernel says that nobody has the file open."""
        self._readers.pop(inode, None)
        self._writers.pop(inode, None)
        self._named.discard(inode)

    def quiet(self, inode: Inode) -> None:
        """The kernel says that nobody has the file open to write."""
        self._writers.pop(inode, None)

    def examined(self, inode: Inode, *, read: bool, written: bool) -> None:
        """Whether /proc shows that processes other than the waiting writer have the file open."""
        self._end(inode, read=read, written=written)

    def _end(self, inode: Inode, *, read: bool, written: bool) -> None:
        """Forget those that were all closed, unless they may be there in spite of that."""
        writer, reader = self._writers.get(inode), self._readers.get(inode)
        if writer is not None and not written and not writer.opens:
            del self._writers[inode]
        if reader is not None and not read and not reader.opens:
            if reader.writes and inode in self._writers:
                return
            del self._readers[inode]

    def obstruct(self, opening: Opening) -> bool:
        """Whether somebody let in stands in a writer's way: a reader, or, if it reads, a writer."""
        alone = opening.access is not None and opening.access.reads
        return opening.inode in self._readers or (alone and opening.inode in self._writers)

    def threads_beside(self, opening: Opening) -> frozenset[int]:
        """Threads let in to the file that may not have left open(2), but for the opener's."""
        files = (self._readers.get(opening.inode), self._writers.get(opening.inode))
        sets = (admitted.threads for admitted in files if admitted is not None)
        return frozenset().union(*sets) - {opening.tid}


def _of(files: _Files, inode: Inode) -> _Admitted:
    """Those let in to a file, as kept in ``files`` from now on."""
    admitted = files.get(inode)
    if admitted is None:
        admitted = files[inode] = _Admitted()
    return admitted
