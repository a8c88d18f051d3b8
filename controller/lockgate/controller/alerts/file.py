"""Alerts as JSON lines in a file, for a log shipper.

Rules enforced here:

1. An alert is delivered when its line has been fsynced.
2. A last line without its newline is what a crash left: it is cut off before anything is
   appended, because its alert was never acknowledged and comes again.
3. If the crash came between fsync and the cursor, the last line's uid tells how far the file
   is, and what it has already is not written twice.
4. The file is opened anew for every batch, so that it may be renamed by log rotation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from lockgate.controller.alerts.outbox import Alert
from lockgate.controller.alerts.sink import UnreachableError

_MODE = 0o640
_BLOCK = 64 * 1024


class FileSink:
    """Appends to ``path``."""

    name = "file"
    confirms = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Append what is missing and fsync.

        Raises:
            UnreachableError: the file system refused; what was half written is cut off.
        """
        try:
            self._append(batch)
        except OSError as error:
            raise UnreachableError(f"{error.strerror}: {self._path}") from None

    def _append(self, batch: Sequence[Alert]) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, _MODE)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            end, last = _last_line(descriptor)
            os.ftruncate(descriptor, end)
            missing = _after(batch, _uid(last))
            try:
                _write_all(descriptor, "".join(f"{a.event}\n" for a in missing).encode(), end)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(file.fileno(), end)
                raise
        if end == 0:
            _sync_folder(self._path.parent)


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _last_line(descriptor: int) -> tuple[int, bytes]:
    """Where the last whole line ends, and that line without its newline."""
    position = os.fstat(descriptor).st_size
    tail, end = b"", -1
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        tail = os.pread(descriptor, step, position) + tail
        if end < 0 and (newline := tail.rfind(b"\n")) >= 0:
            end, tail = position + newline + 1, tail[:newline]
        if end >= 0 and (newline := tail.rfind(b"\n")) >= 0:
            return end, tail[newline + 1 :]
    return (end, tail) if end >= 0 else (0, b"")


def _uid(line: bytes) -> str | None:
    try:
        return str(json.loads(line)["metadata"]["uid"])
    except (ValueError, KeyError, TypeError):
        return None  # an empty file, or a line that somebody else wrote


def _after(batch: Sequence[Alert], uid: str | None) -> Sequence[Alert]:
    for position, alert in enumerate(batch):
        if alert.uid == uid:
            return batch[position + 1 :]
    return batch


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
