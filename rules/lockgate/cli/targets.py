"""What the paths on the command line mean: which files to scan, in which order.

Rules enforced here:

1. A folder is walked in the order of names; symbolic links inside it are not followed (what
   they point to is scanned where it stands). A path given by the user is followed.
2. A FIFO or device is never opened for its content: opening alone could hang or act.
3. What cannot be listed or opened is a report with a gap, never left out.
4. A fault of ours while one file is scanned is a gap of that file. It is not a stack trace,
   whose text could hold bytes of the file and whose exit code would say ``found``.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from lockgate.scan.engine import Progress, Scanner
from lockgate.scan.report import Report

_COPY_BYTES = 1 << 20


def files_under(path: bytes) -> Iterator[bytes]:
    """``path`` itself, or everything but folders and links below it, in order of names."""
    if not os.path.isdir(path):  # noqa: PTH112 - bytes paths, which pathlib refuses
        yield path
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        yield path
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from files_under(entry.path)
        elif not entry.is_symlink():
            yield entry.path


def scan_path(scanner: Scanner, path: bytes, progress: Progress | None) -> Report:
    """Scan one path; whatever is wrong with it becomes a report with a gap."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):  # noqa: PTH112, PTH116
            return scanner.special(path)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return scanner.unreadable(path, 0, f"cannot open: {error.strerror}")
    try:
        return _scan_open(scanner, fd, path, progress)
    finally:
        os.close(fd)


def _scan_open(scanner: Scanner, fd: int, name: bytes, progress: Progress | None) -> Report:
    try:
        return scanner.scan_fd(fd, name, progress=progress)
    except Exception as fault:  # noqa: BLE001 - rule 4: one file's fault is that file's gap
        return scanner.lost(name, fault)


def scan_stream(scanner: Scanner, stream: BinaryIO, progress: Progress | None) -> Report:
    """Scan what ``stream`` holds to its end, by way of a file without a name."""
    try:
        with tempfile.TemporaryFile() as spool:
            while piece := stream.read(_COPY_BYTES):
                spool.write(piece)
            spool.flush()
            return _scan_open(scanner, spool.fileno(), b"-", progress)
    except OSError as error:
        return scanner.unreadable(b"-", 0, f"cannot read: {error.strerror}")


def reports(
    scanner: Scanner,
    paths: list[Path],
    stdin: BinaryIO,
    progress_of: Callable[[bytes], Progress | None],
) -> Iterator[Report]:
    """One report for every file of every path, in order."""
    for path in paths:
        if str(path) == "-":
            yield scan_stream(scanner, stdin, progress_of(b"-"))
            continue
        for file in files_under(os.fsencode(path)):
            yield scan_path(scanner, file, progress_of(file))
