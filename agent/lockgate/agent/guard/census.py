"""Which processes have files of a filesystem open or mapped.

Rules enforced here:

1. Nothing here opens a file of the filesystem, and nothing waits for a file server: names
   under /proc are resolved by statx(2) with AT_STATX_DONT_SYNC.
2. A descriptor that was opened before the mark is invisible to the guard for life. The
   census names its process, so that a person can end it.
3. What a process does while its /proc is walked may be missed; the walk is evidence for
   people, and for the guard only beside the kernel's leases.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lockgate.agent.guard.access import access_of_flags
from lockgate.agent.guard.cache import Inode
from lockgate.scan.names import escape_name

_AT_FDCWD = -100
_AT_STATX_DONT_SYNC = 0x4000
_STATX_INO = 0x100
_STATX_BYTES = 256
_INODE = struct.Struct("=Q")
_INODE_AT = 32
_DEVICE = struct.Struct("=II")
_DEVICE_AT = 136
_MAPPING = re.compile(r"^\S+ (\S{4}) \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) ", re.MULTILINE)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.statx.argtypes = (
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.c_char_p,
)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A descriptor or mapping of a process."""

    pid: int
    executable: str
    inode: Inode
    reads: bool
    writes: bool
    mapped: bool


def open_files(devices: Collection[int], ignore: Collection[int] = ()) -> list[OpenFile]:
    """All descriptors and mappings on ``devices`` (st_dev), but those of ``ignore``d pids."""
    return [found for pid in _pids() if pid not in ignore for found in _of_process(pid, devices)]


def users_of(inode: Inode, ignore: Collection[int] = ()) -> tuple[bool, bool]:
    """Whether any other process has ``inode`` open or mapped: (to read, to write)."""
    found = [f for f in open_files({inode[0]}, ignore) if f.inode == inode]
    return any(f.reads for f in found), any(f.writes for f in found)


def own_pids() -> set[int]:
    """This process and its children, whose descriptors are the guard's own."""
    me = os.getpid()
    found = {me}
    for task in _names(f"/proc/{me}/task"):
        try:
            with open(f"/proc/{me}/task/{task}/children", encoding="ascii") as children:
                found.update(int(word) for word in children.read().split())
        except OSError:
            continue
    return found


def _pids() -> list[int]:
    return [int(name) for name in _names("/proc") if name.isdecimal()]


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208 - /proc is walked in microseconds, not in objects
    except OSError:
        return []


def _of_process(pid: int, devices: Collection[int]) -> Iterator[OpenFile]:
    executable = ""
    for inode, reads, writes, mapped in (*_descriptors(pid, devices), *_mappings(pid, devices)):
        executable = executable or _executable(pid)
        yield OpenFile(pid, executable, inode, reads, writes, mapped)


def _descriptors(pid: int, devices: Collection[int]) -> Iterator[tuple[Inode, bool, bool, bool]]:
    for name in _names(f"/proc/{pid}/fd"):
        inode = _resolve(f"/proc/{pid}/fd/{name}")
        if inode is not None and inode[0] in devices:
            flags = _flags(pid, name)
            if flags & os.O_PATH:
                continue
            access = access_of_flags(flags)
            yield inode, access.reads, access.writes, False


def _mappings(pid: int, devices: Collection[int]) -> Iterator[tuple[Inode, bool, bool, bool]]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as source:
            text = source.read()
    except OSError:
        return
    for rights, major, minor, number in _MAPPING.findall(text):
        device = os.makedev(int(major, 16), int(minor, 16))
        if device in devices and number != "0":
            yield (device, int(number)), True, rights[1] == "w" and rights[3] == "s", True


def _resolve(path: str) -> Inode | None:
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    if _libc.statx(_AT_FDCWD, path.encode(), _AT_STATX_DONT_SYNC, _STATX_INO, answer) < 0:
        return None
    major, minor = _DEVICE.unpack_from(answer.raw, _DEVICE_AT)
    (number,) = _INODE.unpack_from(answer.raw, _INODE_AT)
    return (os.makedev(major, minor), number)


def _flags(pid: int, name: str) -> int:
    """The open flags in /proc/PID/fdinfo (octal); what cannot be read counts as read-write."""
    try:
        with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as source:
            lines = dict(line.split(":", 1) for line in source if ":" in line)
        return int(lines["flags"], 8)
    except (OSError, KeyError, ValueError):
        return os.O_RDWR


def _executable(pid: int) -> str:
    try:
        return escape_name(os.readlink(f"/proc/{pid}/exe"))  # noqa: PTH115 - keeps every byte
    except OSError:
        return ""
