"""Copying a file's bytes into one of ours, holes included.

Rules enforced here: the kernel copies where it can, and shares the blocks where the filesystem
can (copy_file_range(2)); a hole stays a hole, so that a sparse core dump does not fill the disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

_BLOCK = 1 << 20
_CALL_BYTES = 1 << 30
_KERNEL_CANNOT = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


def copy_bytes(source: int, target: int, size: int) -> None:
    """Make ``target``, an empty file, the first ``size`` bytes of ``source``.

    Raises:
        OSError: it could not be read, or the disk is full.
    """
    for start, end in _data_of(source, size):
        try:
            _copy_in_kernel(source, target, start, end)
        except OSError as error:
            if error.errno not in _KERNEL_CANNOT:
                raise
            _copy_here(source, target, start, end)
    os.ftruncate(target, size)


def _data_of(source: int, size: int) -> Iterator[tuple[int, int]]:
    """The ranges that are no holes (lseek(2), SEEK_DATA and SEEK_HOLE)."""
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        at = min(os.lseek(source, start, os.SEEK_HOLE), size)
        yield start, at


def _copy_in_kernel(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        wanted = min(end - start, _CALL_BYTES)
        copied = os.copy_file_range(source, target, wanted, start, start)
        if not copied:
            return
        start += copied


def _copy_here(source: int, target: int, start: int, end: int) -> None:
    while start < end and (block := os.pread(source, min(end - start, _BLOCK), start)):
        written = 0
        while written < len(block):
            written += os.pwrite(target, block[written:], start + written)
        start += len(block)
