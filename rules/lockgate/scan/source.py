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
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator

READ_BYTES = 1 << 20
_ZEROS = bytes(READ_BYTES)
_F_OFD_GETLK = 36
_FLOCK = struct.Struct("@hhqqi4x")
_FOLLOW_S = 0.01

Tap = Callable[[bytes], None]


class Stream:
    """Bytes that can be read once, in order, with a look ahead."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._first = 0
        self._tap: Tap | None = None
        self.position = 0

    def set_tap(self, tap: Tap) -> None:
        """Show all bytes not yet consumed, and all later ones, to ``tap``."""
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

    def _pull(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                break
        else:
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
        yield from _zeros(start - position)
        position = start
        while position < stop:
            chunk = os.pread(fd, min(READ_BYTES, stop - position), position)
            if not chunk:
                raise EOFError
            yield chunk
            position += len(chunk)
    if os.fstat(fd).st_size < size or os.pread(fd, 1, size):
        raise EOFError
    yield from _zeros(size - position)


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


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _ZEROS[:count] if count < READ_BYTES else _ZEROS
        count -= READ_BYTES
