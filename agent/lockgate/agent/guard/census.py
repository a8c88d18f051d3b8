"""Which processes have files of a filesystem open or mapped.

Rules enforced here:

1. Nothing here opens a file of the filesystem, and nothing waits for a file server: names
   under /proc are resolved by statx(2) with AT_STATX_DONT_SYNC.
2. A descriptor that was opened before the mark is invisible to the guard for life. The
   census names its process, so that a person can end it.
3. What a process does while its /proc is walked may be missed; the walk is evidence for
   people, and for the guard only beside the kernel's leases.
4. When processes cannot be looked at (no descriptor left, CAP_SYS_PTRACE lost),
   :func:`users` says that it does not know. Left out are only those that a security module
   keeps even from a tracer.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from lockgate.agent.guard import statx
from lockgate.agent.guard.access import access_of_flags
from lockgate.agent.guard.cache import Inode
from lockgate.scan.names import escape_name

_MAPPING = re.compile(r"^(\S+) (\S{4}) \S+ ([0-9a-f]+):([0-9a-f]+) ([1-9]\d*) *(.*)$", re.MULTILINE)
_CAP_SYS_PTRACE = 1 << 19
_CAPABILITIES = re.compile(r"^CapEff:\s*([0-9a-f]+)$", re.MULTILINE)
#: What a process that ended, or is protected from tracers, gives.
_OUT_OF_REACH = (FileNotFoundError, ProcessLookupError, PermissionError)
#: Inode, whether it reads, whether it writes, whether it is a mapping.
_Use = tuple[Inode, bool, bool, bool]


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A descriptor or mapping of a process."""

    pid: int
    executable: str
    inode: Inode
    reads: bool
    writes: bool
    mapped: bool


@dataclass(frozen=True, slots=True)
class Users:
    """Whether processes have one file open, to read and to write."""

    read: bool = False
    written: bool = False


def open_files(devices: Collection[int], ignore: Collection[int] = ()) -> list[OpenFile]:
    """All descriptors and mappings on ``devices`` (st_dev), but those of ``ignore``d pids.

    Processes that cannot be looked at are left out.
    """
    found: list[OpenFile] = []
    for pid in _pids():
        if pid not in ignore:
            with suppress(OSError):
                uses = list(_of_process(pid, devices))
                executable = _executable(pid) if uses else ""
                found += (OpenFile(pid, executable, *use) for use in uses)
    return found


def users(device: int, ignore: Callable[[int], bool]) -> dict[Inode, Users]:
    """Who has files of a device open or mapped; processes that ``ignore`` names do not count.

    Raises:
        OSError: processes could not be looked at.
    """
    if not _may_trace():
        raise PermissionError(errno.EPERM, "CAP_SYS_PTRACE is missing")
    found: dict[Inode, Users] = {}
    for pid in _pids():
        for inode, reads, writes, _ in _of_process(pid, {device}):
            if not ignore(pid):
                known = found.get(inode, Users())
                found[inode] = Users(known.read or reads, known.written or writes)
    return found


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


def _may_trace() -> bool:
    """Whether this process may look into others (capabilities(7))."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as source:
        found = _CAPABILITIES.search(source.read())
    return bool(found and int(found[1], 16) & _CAP_SYS_PTRACE)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def _names(path: str) -> list[str]:
    """The names in a folder of /proc; none when its process ended."""
    try:
        return os.listdir(path)  # noqa: PTH208 - /proc is walked in microseconds, not in objects
    except _OUT_OF_REACH:
        return []


def _of_process(pid: int, devices: Collection[int]) -> Iterator[_Use]:
    yield from _descriptors(pid, devices)
    yield from _mappings(pid, devices)


def _descriptors(pid: int, devices: Collection[int]) -> Iterator[_Use]:
    for name in _names(f"/proc/{pid}/fd"):
        inode = statx.inode_at(f"/proc/{pid}/fd/{name}")
        if inode is not None and inode[0] in devices:
            flags = _flags(pid, name)
            if flags & os.O_PATH:
                continue
            access = access_of_flags(flags)
            yield inode, access.reads, access.writes, False


def _mappings(pid: int, devices: Collection[int]) -> Iterator[_Use]:
    """Mappings of a process; each file is resolved once, since btrfs shows another device."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as source:
            text = source.read()
    except _OUT_OF_REACH:
        return
    resolved: dict[tuple[str, str, str], Inode | None] = {}
    for part, rights, *file in _MAPPING.findall(text):
        major, minor, number, _path = file
        inode: Inode | None = (os.makedev(int(major, 16), int(minor, 16)), int(number))
        if int(major, 16) == 0:
            key = (minor, number, _path)
            if key not in resolved:
                resolved[key] = statx.inode_at(f"/proc/{pid}/map_files/{part}")
            inode = resolved[key]
        if inode is not None and inode[0] in devices:
            yield inode, True, rights[1] == "w" and rights[3] == "s", True


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
