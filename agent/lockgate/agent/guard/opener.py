"""Who opens: the process behind a pending open, read from /proc while the kernel holds it.

Rules enforced here:

1. Reading costs some hundred microseconds, therefore it happens for misses and denials only.
2. What was read counts only if the thread is still held in the same call afterwards: then its
   process was there all the time, and nothing read is of another that got its number.
3. What cannot be read is absent; nothing here raises. No name is resolved here: the database
   of users may be a server's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.agent.guard import ssh
from lockgate.agent.guard.access import held_call
from lockgate.agent.guard.cgroups import cgroup_of, container_of, unit_of
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Opener

#: How many parents are named (lockgate.v1.Opener.parents).
MOST_PARENTS = 8
_COMMAND_BYTES = 1024
#: How far up a ssh server is looked for.
_MOST_ANCESTORS = 64


@dataclass(frozen=True, slots=True)
class _Ancestor:
    pid: int
    executable: str
    uids: tuple[int, ...]


def frozen_opener(tid: int) -> Opener:
    """The process of thread ``tid``, which the kernel holds in an open.

    Only the number is known of a thread that did not stay there while it was read.
    """
    before = (start_ticks(tid), held_call(tid))
    opener = read_opener(tid)
    still = (start_ticks(tid), held_call(tid))
    return opener if before == still and all(before) else Opener(pid=tid)


def read_opener(tid: int) -> Opener:
    """The process of thread ``tid``, as it is now."""
    status = status_of(tid)
    pid = _number(status.get("Tgid", "")) or tid
    cgroup = read_cgroup(pid)
    ancestors = tuple(_ancestors(pid))
    return Opener(
        pid=pid,
        uid=_number(status.get("Uid", "")),
        gid=_number(status.get("Gid", "")),
        executable=_link(f"/proc/{pid}/exe"),
        command=_command(pid),
        cgroup=escape_name(cgroup),
        login_uid=_login_uid(pid),
        start_ticks=start_ticks(pid),
        parents=tuple(a.executable for a in ancestors[1 : MOST_PARENTS + 1]),
        unit=escape_name(unit_of(cgroup)),
        container=escape_name(container_of(cgroup)),
        ssh_peer=_ssh_peer(ancestors),
    )


def path_of(fd: int) -> str:
    """The escaped name under which an event's file was opened."""
    return _link(f"/proc/self/fd/{fd}")


def read_cgroup(pid: int) -> str:
    """The path of a process's control group, as it is in the kernel."""
    return cgroup_of(_text(f"/proc/{pid}/cgroup"))


def start_ticks(pid: int) -> int | None:
    """When a process started (proc_pid_stat(5), field 22): with the pid it names one process."""
    fields = _stat(pid)
    return _number(fields[19]) if len(fields) > 19 else None


def _ancestors(pid: int) -> Iterator[_Ancestor]:
    """The process and its parents, nearest first, as far as they have a program."""
    for _ in range(_MOST_ANCESTORS):
        executable = _link(f"/proc/{pid}/exe")
        if not executable:
            return
        uids = tuple(int(word) for word in status_of(pid).get("Uid", "").split())
        yield _Ancestor(pid, executable, uids)
        fields = _stat(pid)
        pid = (_number(fields[1]) if len(fields) > 1 else None) or 0


def _ssh_peer(ancestors: tuple[_Ancestor, ...]) -> str:
    for ancestor in ancestors:
        if ssh.is_sshd(ancestor.executable, ancestor.uids):
            ticks = start_ticks(ancestor.pid)
            if ticks is not None and (peer := ssh.peer_of(ancestor.pid, ticks)):
                return peer
    return ""


def status_of(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status (proc_pid_status(5)); empty when it is gone."""
    lines = _text(f"/proc/{pid}/status").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _stat(pid: int) -> list[str]:
    """The fields from the third on; the second may hold spaces and brackets."""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


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
