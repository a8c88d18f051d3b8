"""Reading bytes in order: the top-level file, and streams unpacked from it.

Rules enforced here:

1. The file is read by descriptor with ``pread`` only: no seek that another reader could see,
   no second open by path, no mapping (a mapped page of a watched file can deadlock).
2. Holes of a sparse file are never read from disk; they appear as zeros (lseek(2),
   ``SEEK_DATA``; the offset moved by lseek is never used for reading).
3. A file that grows under a lock of its writer can be followed: it is at its end only when
   what was read after the lock was gone is the end (F_OFD_GETLK, fcntl(2)).
4. A stream shows every byte to its tap exactly once and in order, when it is consumed and
   whoever consumes it.
5. Reading at any offset consumes nothing. What has no descriptor is held in memory for it, and
   all that is held at one time is bounded (:class:`Budget`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

READ_BYTES = 1 << 20
#: What every hole is made of: one object, so that it can be told and costs no memory.
ZEROS = bytes(READ_BYTES)
_F_OFD_GETLK = 36
_FLOCK = struct.Struct("@hhqqi4x")
_FOLLOW_S = 0.01

Tap = Callable[[bytes], None]


class RandomAccess(Protocol):
    """Bytes that can be read at any offset, as often as needed."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read_at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on; fewer only at the end, none outside.

        Raises:
            OSError: the file cannot be read there.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileAccess:
    """The first ``size`` bytes of the file behind a descriptor."""

    fd: int
    size: int

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`RandomAccess` says; a file cut meanwhile reads short."""
        stop = min(offset + count, self.size)
        pieces = []
        while 0 <= offset < stop and (piece := os.pread(self.fd, stop - offset, offset)):
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class SliceAccess:
    """``size`` bytes of another from ``start`` on, less where the other ends."""

    outer: RandomAccess
    start: int
    size: int

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`RandomAccess` says."""
        if not 0 <= offset < self.size:
            return b""
        return self.outer.read_at(self.start + offset, min(count, self.size - offset))


@dataclass(frozen=True, slots=True)
class HeldAccess:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`RandomAccess` says."""
        return self.data[offset : offset + count] if offset >= 0 else b""


class Budget:
    """Bytes that one walk may have in memory at one time, for held members and for windows.

    ``held`` bounds what one member may hold of them.
    """

    def __init__(self, count: int, held: int) -> None:
        self.left = count
        self.held = held

    def take(self, count: int) -> bool:
        """Reserve ``count`` bytes, if there are as many left; whoever takes gives back."""
        if count > self.left:
            return False
        self.left -= count
        return True


class Stream:
    """Bytes that can be read once, in order, with a look ahead.

    ``access`` is the way to read the same bytes at any offset, when there is one; else they are
    held in memory when that is asked for (:meth:`random_access`), as far as ``budget`` allows;
    what unpacks them takes its window from there too.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        access: RandomAccess | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._chunks = chunks
        self.access = access
        self.budget = budget
        self._charged = 0
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._first = 0
        self._tap: Tap | None = None
        self._fault: Exception | None = None
        self.position = 0

    def set_tap(self, tap: Tap | None) -> None:
        """Show all bytes not yet consumed, and all later ones, to ``tap``, if there is one."""
        self._tap = tap

    def peek(self, count: int) -> bytes:
        """Up to ``count`` bytes from here without consuming them; fewer only at the end."""
        while self._ready_bytes < count and self._pull():
            pass
        if not self._ready:
            return b""
        if len(self._ready) == 1 or len(self._ready[0]) - self._first >= count:
            return self._ready[0][self._first : self._first + count]
        joined = b"".join(self._ready)[self._first :]
        self._ready, self._first = [joined], 0
        return joined[:count]

    def read(self, count: int) -> bytes:
        """``count`` bytes; fewer only at the end of the stream."""
        taken = self.peek(count)
        self._consume(len(taken))
        if taken and self._tap is not None:
            self._tap(taken)
        return taken

    def read_some(self, most: int = READ_BYTES) -> bytes:
        """At least one byte and at most ``most``; empty only at the end of the stream."""
        if not self._ready_bytes and not self._pull():
            return b""
        return self.read(min(most, len(self._ready[0]) - self._first))

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes (the tap sees them) and return how many there were."""
        left = count
        while left and (piece := self.read_some(min(left, READ_BYTES))):
            left -= len(piece)
        return count - left

    def drain(self) -> None:
        """Pass over all that is left."""
        while self.read_some():
            pass

    def take(self, count: int) -> Iterator[bytes]:
        """The next ``count`` bytes in pieces; the caller compares the sum with ``count``."""
        while count and (piece := self.read_some(min(count, READ_BYTES))):
            count -= len(piece)
            yield piece

    def random_access(self) -> RandomAccess | None:
        """All bytes of this stream at any offset; consumes nothing.

        None when they have no descriptor and are too many to be held, or were consumed in part.
        """
        if self.access is None and self.budget is not None and not self.position:
            self.access = self._hold(self.budget)
        return self.access

    def slice_access(self, start: int, size: int) -> RandomAccess | None:
        """Part of the bytes at any offset, if that needs no holding."""
        return None if self.access is None else SliceAccess(self.access, start, size)

    @property
    def known_size(self) -> int:
        """How many bytes there are, as far as that is known beforehand; else 0."""
        return 0 if self.access is None else self.access.size

    def release(self) -> None:
        """Nothing will be read any more: give back what was held."""
        if self.budget is not None:
            self.budget.left += self._charged
        self._charged = 0
        self.access = None
        self._ready, self._ready_bytes, self._first = [], 0, 0

    def _hold(self, budget: Budget) -> RandomAccess | None:
        if self._charged:
            return None
        most = min(budget.left, budget.held)
        whole = self.peek(most + 1)
        self._charged = min(len(whole), most)
        budget.left -= self._charged
        return HeldAccess(whole) if len(whole) <= most else None

    def _end_of_ready(self) -> bool:
        fault = self._fault
        if fault is not None and not self._ready_bytes:
            self._fault = None
            raise fault
        return False

    def _pull(self) -> bool:
        """Get the next chunk; what ends the chunks is told once all before it is consumed."""
        if self._fault is not None:
            return self._end_of_ready()
        try:
            chunk = next(filter(None, self._chunks), None)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is raised again
            self._fault = fault
            return self._end_of_ready()
        if chunk is None:
            return False
        self._ready.append(chunk)
        self._ready_bytes += len(chunk)
        return True

    def _consume(self, count: int) -> None:
        self.position += count
        self._ready_bytes -= count
        self._first += count
        while self._ready and self._first >= len(self._ready[0]):
            self._first -= len(self._ready.pop(0))


def data_extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """``(start, stop)`` of every range of the file that is not a hole, in order.

    A filesystem that cannot tell holes reports the whole file as data.
    """
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
            stop = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                yield position, size
            return
        yield start, min(stop, size)
        position = stop


def file_chunks(fd: int, size: int) -> Iterator[bytes]:
    """The first ``size`` bytes of the file, holes as zeros.

    Raises:
        OSError: the file cannot be read at some place.
        EOFError: the file ends before ``size``, or goes on behind it: it was cut or grew while
            it was read, or its size never was the truth, as in procfs.
    """
    position = 0
    for start, stop in data_extents(fd, size):
        yield from zeros(start - position)
        position = start
        while position < stop:
            chunk = os.pread(fd, min(READ_BYTES, stop - position), position)
            if not chunk:
                raise EOFError
            yield chunk
            position += len(chunk)
    if os.fstat(fd).st_size < size or os.pread(fd, 1, size):
        raise EOFError
    yield from zeros(size - position)


def is_growing(fd: int) -> bool:
    """Whether somebody else's open file description holds a lock for writing on the file."""
    asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(fd, _F_OFD_GETLK, asked)
    except OSError:
        return False
    return bool(_FLOCK.unpack(answer)[0] == fcntl.F_WRLCK)


def growing_chunks(fd: int) -> Iterator[bytes]:
    """The bytes of a file that grows, up to where it ends when its writer's lock is gone.

    Raises:
        OSError: the file cannot be read at some place.
    """
    position = 0
    while True:
        growing = is_growing(fd)  # asked first: what is read after that is all there is
        chunk = os.pread(fd, READ_BYTES, position)
        if growing and len(chunk) < READ_BYTES:
            time.sleep(_FOLLOW_S)
            continue
        if not chunk:
            return
        yield chunk
        position += len(chunk)


def zeros(count: int) -> Iterator[bytes]:
    """``count`` bytes of a hole."""
    while count > 0:
        yield ZEROS[:count] if count < READ_BYTES else ZEROS
        count -= READ_BYTES
