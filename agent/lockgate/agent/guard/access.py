"""What a pending open may do, told by the registers of the thread that waits in it.

Rules enforced here:

1. An open is taken for write-only, or for truncating, only when the system call's registers
   say so. Registers of a thread that is held in the kernel cannot be changed; the structure
   of openat2(2) lies in memory that other threads can write, therefore it proves nothing.
2. What cannot be read is unknown, and unknown may read and write; nothing here raises.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

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


def held_call(tid: int) -> str:
    """The call, arguments and stack that thread ``tid`` is held in; empty: none is seen.

    The event comes a few microseconds before its thread sleeps; a thread that still runs is
    looked at again.
    """
    for _ in range(_LOOKS):
        line = _syscall(tid)
        if not line.startswith("running"):
            return line
        os.sched_yield()
    return ""


def pending_access(tid: int) -> Access:
    """What the open that holds thread ``tid`` may do."""
    return parse_syscall(held_call(tid), platform.machine())


def may_be_opening(tid: int) -> bool:
    """Whether a thread that was let in may still be inside its open(2).

    A thread that runs tells nothing of where it is, so it may be. Thread 0 stands for
    threads that nobody counted: one of them may be.
    """
    if tid == 0:
        return True
    if not Path(f"/proc/{tid}").exists():
        return False
    first = _syscall(tid).split()[:1]
    opening = _OPENING_CALLS.get(platform.machine())
    try:
        return opening is None or int(first[0]) in opening
    except (IndexError, ValueError):
        return True


def _syscall(tid: int) -> str:
    try:
        fd = os.open(f"/proc/{tid}/syscall", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
