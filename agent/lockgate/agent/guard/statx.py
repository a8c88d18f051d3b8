"""What stat(2) does not tell of a file: statx(2).

Rules enforced here:

1. Nothing waits for a file server (AT_STATX_DONT_SYNC), and nothing raises; what the kernel or
   the filesystem does not tell is said to be unknown.
2. A birth is told only where it stays what it is: on filesystems whose disks keep it as
   exactly as their memory does. exFAT, for one, rounds it when it writes it.
"""

from __future__ import annotations

import ctypes
import os
import struct

from lockgate.agent.guard.cache import Inode
from lockgate.agent.libc import LIBC

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_STATX_DONT_SYNC = 0x4000
_STATX_INO = 0x100
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_MASK = struct.Struct("=I")
_INODE = struct.Struct("=Q")
_INODE_AT = 32
_BIRTH = struct.Struct("=qI")
_BIRTH_AT = 80
_DEVICE = struct.Struct("=II")
_DEVICE_AT = 136
_SECOND_NS = 1_000_000_000
#: f_type of statfs(2): the first field, of a machine word.
_TYPE = struct.Struct("=q" if struct.calcsize("P") == 8 else "=i")
_STATFS_BYTES = 256
#: ext4, XFS, btrfs and tmpfs, as statfs(2) numbers them.
_EXACT = frozenset({0xEF53, 0x58465342, 0x9123683E, 0x01021994})


def inode_at(path: str) -> Inode | None:
    """Device and inode number of what ``path`` names; None: it cannot be looked at."""
    told = _statx(_AT_FDCWD, path.encode(), _AT_STATX_DONT_SYNC, _STATX_INO)
    if told is None:
        return None
    major, minor = _DEVICE.unpack_from(told, _DEVICE_AT)
    (number,) = _INODE.unpack_from(told, _INODE_AT)
    return (os.makedev(major, minor), number)


def birth_of(fd: int) -> int | None:
    """When an open file was made, in ns of the wall clock; None: it cannot be said for certain.

    Nothing that happens to a file changes it. A birth at a full second is not told: an ext4
    with short inodes keeps no more of it than that.
    """
    if _filesystem_of(fd) not in _EXACT:
        return None
    told = _statx(fd, b"", _AT_EMPTY_PATH | _AT_STATX_DONT_SYNC, _STATX_BTIME)
    if told is None or not _MASK.unpack_from(told)[0] & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BIRTH.unpack_from(told, _BIRTH_AT)
    return int(seconds * _SECOND_NS + nanoseconds) if nanoseconds else None


def _filesystem_of(fd: int) -> int:
    answer = ctypes.create_string_buffer(_STATFS_BYTES)
    return int(_TYPE.unpack_from(answer.raw)[0]) if LIBC.fstatfs(fd, answer) == 0 else 0


def _statx(folder: int, path: bytes, flags: int, mask: int) -> bytes | None:
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    if LIBC.statx(folder, path, flags, mask, answer) < 0:
        return None
    return answer.raw
