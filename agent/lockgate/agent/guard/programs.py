"""Whether a process runs the program that its executable is, and nothing beside.

Rules enforced here:

1. A digest speaks of one file. It says nothing of a process that others can steer: one that
   is traced, that lives in a user namespace of its own (there /proc/PID/exe can be set), whose
   users differ (setuid), or that runs other code as well (LD_PRELOAD, a JIT, an injection).
   Such a process has no program.
2. Everything it executes must be a file that only root can change.
3. The executable is read through /proc/PID/exe, and not at all when it lies on a guarded
   filesystem: reading it would wait for ourselves.
4. Processes are looked at before and after: who was replaced meanwhile has no program.

This may wait for a disk or a file server; it is not for the guard's thread.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from lockgate.agent.guard.opener import start_ticks, status_of

_KEPT = 1024
#: Code the kernel itself puts into every process.
_KERNEL_CODE = frozenset({"[vdso]", "[vsyscall]"})
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Program:
    """The executable of a process that runs nothing else.

    ``path`` is where it lies, ``root``: all of the process's users are root, ``md5`` is what
    package databases know of it.
    """

    path: str
    sha256: str
    md5: str
    root: bool
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Digests:
    sha256: str
    md5: str


class Programs:
    """Programs of processes; digests are kept by the identity of their files."""

    def __init__(self, guarded: Collection[int]) -> None:
        """``guarded``: the device numbers (st_dev) of guarded filesystems."""
        self._guarded = frozenset(guarded)
        self._digests: OrderedDict[tuple[int, ...], _Digests] = OrderedDict()

    def of(self, tid: int) -> Program | None:
        """The program of thread ``tid``'s process; None: nothing can be said of it."""
        before = start_ticks(tid)
        status = status_of(tid)
        pid = int(status.get("Tgid", "0"))
        users = set(status.get("Uid", "").split())
        if before is None or not pid or not _is_its_own(pid, status, users):
            return None
        try:
            program = self._read(pid, root=users == {"0"})
        except OSError:
            return None
        return program if start_ticks(tid) == before and _runs_it_alone(pid) else None

    def _read(self, pid: int, *, root: bool) -> Program | None:
        link = f"/proc/{pid}/exe"
        seen = os.stat(link)  # noqa: PTH116 - follows the link without opening
        if seen.st_dev in self._guarded or not _only_roots(seen):
            return None
        fd = os.open(link, os.O_RDONLY | os.O_CLOEXEC)
        try:
            opened = os.fstat(fd)
            if (opened.st_dev, opened.st_ino) != (seen.st_dev, seen.st_ino):
                return None
            path = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - keeps every byte
            digests = self._digest(fd, opened)
        finally:
            os.close(fd)
        return Program(path, digests.sha256, digests.md5, root, opened.st_dev, opened.st_ino)

    def _digest(self, fd: int, status: os.stat_result) -> _Digests:
        key = (
            *(status.st_dev, status.st_ino, status.st_size),
            *(status.st_mtime_ns, status.st_ctime_ns),
        )
        known = self._digests.get(key)
        if known is not None:
            return known
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while block := os.read(fd, 1 << 20):
            sha256.update(block)
            md5.update(block)
        digests = _Digests(sha256.hexdigest(), md5.hexdigest())
        after = os.fstat(fd)
        if (after.st_mtime_ns, after.st_ctime_ns) == (status.st_mtime_ns, status.st_ctime_ns):
            self._digests[key] = digests
            if len(self._digests) > _KEPT:
                self._digests.popitem(last=False)
        return digests


def _is_its_own(pid: int, status: dict[str, str], users: set[str]) -> bool:
    """Whether nobody but root and its user can steer the process."""
    return (
        len(users) == 1
        and status.get("TracerPid", "").strip() == "0"
        and _namespace(pid) == _namespace(os.getpid()) != ""
    )


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/user")  # noqa: PTH115 - it leads nowhere
    except OSError:
        return ""


def _runs_it_alone(pid: int) -> bool:
    """Whether all code of the process comes from files that only root can change."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as source:
            maps = [line.split(maxsplit=5) for line in source]
    except OSError:
        return False
    code = [fields for fields in maps if "x" in fields[1]]
    return bool(code) and all(_is_fixed(pid, fields) for fields in code)


def _is_fixed(pid: int, fields: list[str]) -> bool:
    name = fields[5].strip() if len(fields) > 5 else ""
    if name in _KERNEL_CODE:
        return True
    if "w" in fields[1] or fields[4] == "0":
        return False
    low, _, high = fields[0].partition("-")
    try:
        # The mapping itself, not the name: another file may have that name by now.
        mapped = os.stat(f"/proc/{pid}/map_files/{int(low, 16):x}-{int(high, 16):x}")  # noqa: PTH116
    except OSError:
        return False
    return _only_roots(mapped)


def _only_roots(status: os.stat_result) -> bool:
    return status.st_uid == 0 and not status.st_mode & _OTHERS_WRITE and status.st_nlink > 0
