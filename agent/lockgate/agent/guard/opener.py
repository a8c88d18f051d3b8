"""Who opens: the process behind a pending open, read from /proc while the kernel holds it.

Rules enforced here:

1. Reading costs some hundred microseconds, therefore it happens for misses and denials only.
2. What cannot be read is absent; nothing here raises.
3. An open is taken for write-only, or for truncating, only when the system call's registers
   say so. Registers of a thread that is held in the kernel cannot be changed; the structure
   of openat2(2) lies in memory that other threads can write, therefore it proves nothing.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Opener

_COMMAND_BYTES = 1024
_LOOKS = 20
#: System call number -> index of its flags argument; None: creat(2), which has none.
_OPEN_CALLS: dict[str, dict[int, int | None]] = {
    "x86_64": {2: 1, 257: 2, 85: None},
    "aarch64": {56: 2},
}
#: Calls in which a thread may be on its way from the answer to a descriptor: the opens,
#: open_by_handle_at, execve, execveat, io_uring_enter. Kernel threads show -1.
_OPENING_CALLS: dict[str, frozenset[int]] = {
    "x86_64": frozenset({-1, 2, 85, 257, 437, 304, 59, 322, 426}),
    "aarch64": frozenset({-1, 56, 437, 265, 221, 281, 426}),
}
_CREAT_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_TRUNC


@dataclass(frozen=True, slots=True)
class Access:
    """What a pending open may do; ``known`` False: it may read and write."""

    reads: bool
    writes: bool
    truncates: bool
    known: bool = True


UNKNOWN = Access(reads=True, writes=True, truncates=False, known=False)


def access_of_flags(flags: int) -> Access:
    """The access that open(2) flags ask for; the invalid mode 3 counts as reading and writing."""
    mode = flags & os.O_ACCMODE
    return Access(
        reads=mode != os.O_WRONLY,
        writes=mode != os.O_RDONLY,
        truncates=bool(flags & os.O_TRUNC),
    )


def parse_syscall(line: str, machine: str) -> Access:
    """The access told by a line of /proc/TID/syscall (proc_pid_syscall(5))."""
    fields = line.split()
    calls = _OPEN_CALLS.get(machine, {})
    try:
        position = calls[int(fields[0])]
        flags = _CREAT_FLAGS if position is None else int(fields[1 + position], 16)
    except (IndexError, KeyError, ValueError):
        return UNKNOWN
    return access_of_flags(flags & 0xFFFFFFFF)


def pending_access(tid: int) -> Access:
    """What the open that holds thread ``tid`` may do.

    The event comes a few microseconds before its thread sleeps; a thread that still runs is
    looked at again.
    """
    for _ in range(_LOOKS):
        line = _text(f"/proc/{tid}/syscall")
        if not line.startswith("running"):
            break
        os.sched_yield()
    return parse_syscall(line, platform.machine())


def may_be_opening(tid: int) -> bool:
    """Whether a thread that was let in may still be inside its open(2).

    A thread that runs tells nothing of where it is, so it may be. Thread 0 stands for
    threads that nobody counted: one of them may be.
    """
    if tid == 0:
        return True
    if not Path(f"/proc/{tid}").exists():
        return False
    first = _text(f"/proc/{tid}/syscall").split()[:1]
    opening = _OPENING_CALLS.get(platform.machine())
    try:
        return opening is None or int(first[0]) in opening
    except (IndexError, ValueError):
        return True


def read_opener(tid: int) -> Opener:
    """The process of thread ``tid``."""
    status = dict(
        line.split(":", 1) for line in _text(f"/proc/{tid}/status").splitlines() if ":" in line
    )
    pid = _number(status.get("Tgid", "")) or tid
    return Opener(
        pid=pid,
        uid=_number(status.get("Uid", "")),
        gid=_number(status.get("Gid", "")),
        executable=_link(f"/proc/{pid}/exe"),
        command=_command(pid),
        cgroup=escape_name(_text(f"/proc/{pid}/cgroup").strip().rpartition("\n")[2]),
        login_uid=_login_uid(pid),
        start_ticks=start_ticks(pid),
    )


def path_of(fd: int) -> str:
    """The escaped name under which an event's file was opened."""
    return _link(f"/proc/self/fd/{fd}")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as source:
            return source.read(65536)
    except (OSError, ValueError):
        return ""


def _link(path: str) -> str:
    try:
        return escape_name(os.readlink(path))  # noqa: PTH115 - keeps every byte of the name
    except OSError:
        return ""


def _number(text: str) -> int | None:
    first = text.split()[:1]
    return int(first[0]) if first and first[0].isdecimal() else None


def _command(pid: int) -> str:
    words = _text(f"/proc/{pid}/cmdline")[:_COMMAND_BYTES]
    return escape_name(words.rstrip("\0").replace("\0", " "))


def _login_uid(pid: int) -> int | None:
    uid = _number(_text(f"/proc/{pid}/loginuid"))
    return None if uid == 0xFFFFFFFF else uid


def start_ticks(pid: int) -> int | None:
    """When a process started (proc_pid_stat(5), field 22): with the pid it names one process.

    The second field may hold spaces and brackets.
    """
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return _number(fields[19]) if len(fields) > 19 else None
