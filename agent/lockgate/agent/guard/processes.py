"""The holders that run on this host, and how their group is reached when they do not answer.

Rules enforced here: a holder is known by its command line, which only its own user and root
can make it have; pids are turned into pidfds before anything is done to a process.
"""

from __future__ import annotations

import os
import resource
import select
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lockgate.agent.guard import fanotify
from lockgate.agent.libc import LIBC, checked

AGENT_PID_NAME = "agent.pid"
DISARMED_NAME = "disarmed"
HOLDER_MODULE = "lockgate.agent.guard.holder"
_PIDFD_GETFD = 438  # the same on every architecture (pidfd_getfd(2), Linux 5.6)


class AgentPid(NamedTuple):
    """The process that holds opens, and the bound of the numbers that its events may have.

    No dataclass here and in what else the holder imports: their module costs a megabyte.
    """

    pid: int
    ticks: int
    limit: int

    def is_alive(self) -> bool:
        """Whether it is still the same process; a zombie is none."""
        return start_ticks(self.pid) == self.ticks


def write_agent_pid(run_dir: Path) -> None:
    """Leave this process's name, so that an agent without a holder can be found and ended."""
    pid = os.getpid()
    line = f"{pid} {start_ticks(pid)} {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}\n"
    (run_dir / AGENT_PID_NAME).write_text(line, "ascii")


def read_agent_pid(run_dir: Path) -> AgentPid | None:
    """The last agent of ``run_dir``."""
    try:
        words = (run_dir / AGENT_PID_NAME).read_text("ascii").split()
        pid, ticks, limit = (int(word) for word in words)
    except (OSError, ValueError):
        return None
    return AgentPid(pid, ticks, limit)


def start_ticks(pid: int) -> int | None:
    """When a process started (proc_pid_stat(5), field 22): with the pid it names one process.

    None: there is none, or only a zombie. The second field may hold spaces and brackets.
    """
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 and fields[0] != "Z" else None


def parent_of(pid: int) -> int:
    """The parent's pid; 0 when the process is gone."""
    fields = _stat(pid)
    return int(fields[1]) if len(fields) > 1 else 0


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal or a debugger."""
    return _stat(pid)[:1] in (["T"], ["t"])


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def holders() -> Iterator[tuple[int, Path]]:
    """The pid and the run folder of every holder, standbys included."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - /proc is walked in microseconds
        if not name.isdecimal():
            continue
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if HOLDER_MODULE.encode() in words and b"--run-dir" in words[:-1]:
            yield int(name), Path(os.fsdecode(words[words.index(b"--run-dir") + 1]))


def holders_of(run_dir: Path) -> set[int]:
    """The pids of the holders of one run folder."""
    return {pid for pid, folder in holders() if folder == run_dir}


def born_holders_of(run_dir: Path) -> set[int]:
    """The same without what is still launching one: its command line names a holder as well."""
    return {pid for pid in holders_of(run_dir) if _runs_holder(pid)}


def _runs_holder(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[1:3] == [b"-m", HOLDER_MODULE.encode()]


def duplicate_group(pids: Iterable[int]) -> int | None:
    """A duplicate of the permission group of the first process that has one, stopped or not.

    A group with marks is preferred to one without.
    """
    found: list[tuple[bool, int, int]] = []
    for pid in pids:
        found += [(bool(marks), pid, fd) for fd, marks in fanotify.groups_of(pid).items()]
    for _marked, pid, fd in sorted(found, reverse=True):
        with suppress(OSError):
            return _duplicate(pid, fd)
    return None


def _duplicate(pid: int, fd: int) -> int:
    process = os.pidfd_open(pid)
    try:
        return checked(LIBC.syscall(_PIDFD_GETFD, process, fd, 0), "pidfd_getfd")
    finally:
        os.close(process)


def descriptor_limit(pids: Iterable[int]) -> int:
    """The largest soft RLIMIT_NOFILE of the processes; numbers of events are below it."""
    limits = [resource.getrlimit(resource.RLIMIT_NOFILE)[0]]
    for pid in pids:
        with suppress(OSError):
            limits.append(resource.prlimit(pid, resource.RLIMIT_NOFILE)[0])
    return max(limits)


def readable(fd: int, patience_s: float | None = None) -> bool:
    """Wait until ``fd`` is readable or its other end is closed; a pidfd: until it has ended.

    By poll(2), because select(2) knows no descriptor above 1023.
    """
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if patience_s is None else 1000 * patience_s))


def kill(pids: Iterable[int], patience_s: float) -> None:
    """SIGKILL all processes, and wait until they are gone."""
    ending = []
    for pid in pids:
        with suppress(OSError):
            process = os.pidfd_open(pid)
            ending.append(process)
            signal.pidfd_send_signal(process, signal.SIGKILL)
    for process in ending:
        readable(process, patience_s)
        os.close(process)
