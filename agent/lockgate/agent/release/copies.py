"""Copies that nobody can name, write or judge before they are whole.

Rules enforced here:

1. A copy has no name (open(2), O_TMPFILE): when the last descriptor closes, its bytes are gone.
2. What is handed out can only be read; the one descriptor that could write is closed before.
3. Copies are bounded: in bytes altogether while they are judged, and by the room that must
   remain on their filesystem. Full means that there is no copy.
4. A copy ends where the file ended when it was begun; holes stay holes.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


class NoRoomError(Exception):
    """A copy does not fit; the text says what is full."""


@dataclass(frozen=True, slots=True)
class CopyQuota:
    """``max_bytes``: of all copies that are being judged. ``spare``: share that stays free."""

    max_bytes: int = 16 << 30
    spare: float = 0.1


class Copy:
    """One copy; ``reader`` is its descriptor to read, the caller's until :meth:`close`."""

    def __init__(self, copies: Copies, writer: int, charged: int) -> None:
        self._copies = copies
        self._writer = writer
        self._charged = charged
        self.reader = os.open(f"/proc/self/fd/{writer}", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def size(self) -> int:
        """Bytes in the copy."""
        return os.fstat(self.reader).st_size

    def keep(self, start: int, end: int) -> None:
        """Forget all but the bytes from ``start`` to ``end``, by cutting and by a hole."""
        os.ftruncate(self._writer, end)
        if start:
            os.pwrite(self._writer, bytes(start), 0)

    def seal(self) -> int:
        """Give up writing for good; the descriptor to read, at its beginning."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
            os.lseek(self.reader, 0, os.SEEK_SET)  # the scan has moved it
        return self.reader

    def close(self) -> None:
        """Let go of the copy."""
        self.seal()
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1
            self._copies.give_back(self._charged)


class Copies:
    """Makes copies in ``folder``; used from several threads."""

    def __init__(self, folder: Path, quota: CopyQuota) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._quota = quota
        self._lock = threading.Lock()
        self._used = 0

    def copy(self, fd: int, start: int, end: int) -> Copy:
        """A copy of the bytes of ``fd`` from ``start`` to ``end``, or to the file's end.

        Raises:
            NoRoomError: quota or filesystem is full.
            OSError: the file cannot be read.
        """
        end = min(end, os.fstat(fd).st_size)
        size = max(0, end - start)
        self._charge(size)
        writer = -1
        try:
            writer = os.open(
                self._folder, os.O_TMPFILE | os.O_RDWR | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            self._fill(writer, fd, start, end)
            return Copy(self, writer, size)
        except BaseException as error:
            self.give_back(size)
            if writer >= 0:
                os.close(writer)
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise NoRoomError("the filesystem of the state folder is full") from None
            raise

    def give_back(self, size: int) -> None:
        """Bytes of a copy that is gone."""
        with self._lock:
            self._used -= size

    def _charge(self, size: int) -> None:
        with self._lock:
            if self._used + size > self._quota.max_bytes:
                raise NoRoomError("copies that are being judged already hold as much as they may")
            self._used += size

    def _fill(self, writer: int, fd: int, start: int, end: int) -> None:
        at = start
        while (at := _next_data(fd, at, end)) < end:
            block = os.pread(fd, min(_BLOCK, end - at), at)
            if not block:
                break  # it was cut meanwhile
            self._check_room(writer, len(block))
            _write_whole(writer, block, at - start)
            at += len(block)
        os.ftruncate(writer, max(0, at - start))

    def _check_room(self, writer: int, size: int) -> None:
        room = os.fstatvfs(writer)
        if (
            room.f_bavail * room.f_frsize - size
        ) < self._quota.spare * room.f_blocks * room.f_frsize:
            raise NoRoomError("the filesystem of the state folder is nearly full")


def _next_data(fd: int, at: int, end: int) -> int:
    """Where bytes that are not a hole go on, at most ``end``."""
    if at >= end:
        return end
    try:
        return min(end, os.lseek(fd, at, os.SEEK_DATA))
    except OSError as error:
        return end if error.errno == errno.ENXIO else at


def _write_whole(fd: int, block: bytes, at: int) -> None:
    view = memoryview(block)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done
