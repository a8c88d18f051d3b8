"""Take the guard off, whatever state the agent and its holder are in.

Rules enforced here:

1. Only root may. It works within a second, also when agent and holder are stopped or hang.
2. Opens that wait are denied before the group closes; what is opened afterwards passes.
3. A holder that does not answer is not waited for: a duplicate of its group is taken
   (pidfd_getfd(2)), agent and holder are killed, and the marks are taken off here.
4. It leaves a record on disk before it answers; the next agent reports and alerts it.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.guard import fanotify, processes
from lockgate.agent.guard.holder import SOCKET_NAME
from lockgate.agent.guard.opener import read_opener
from lockgate.agent.notes import note
from lockgate.wire.ids import uuid7

_PATIENCE_S = 0.5
_KILL_S = 0.2
_SYSTEMD = Path("/run/systemd/system")  # there when systemd is pid 1 (sd_booted(3))


@dataclass(frozen=True, slots=True)
class DisarmRecord:
    """Who took the guard off, and what was found. ``killed_agent`` 0: it went by itself."""

    record_id: str
    change: str
    time: str
    armed: bool
    uid: int
    login_uid: int | None
    pid: int
    parent_command: str
    killed_agent: int
    refused_opens: int


def disarm(run_dir: Path, state_dir: Path) -> DisarmRecord:
    """Close the permission group and end its holder; ``armed`` False: nothing was armed.

    Raises:
        PermissionError: the caller is not root.
        OSError: the record could not be written; the guard is off then.
    """
    if os.geteuid() != 0:
        raise PermissionError("only root may take the guard off")
    holders = processes.holders_of(run_dir)
    agent = processes.read_agent_pid(run_dir)
    living = agent is not None and agent.is_alive()
    try:
        if any(processes.is_stopped(pid) for pid in holders):
            raise ConnectionError("a holder is stopped")
        refused, killed = _tell_holder(run_dir / SOCKET_NAME)
    except OSError:
        refused = _take_off(run_dir)
        killed = agent.pid if agent is not None and living else 0
    if killed:
        _keep_from_restart()
    armed = bool(holders) or living
    record = _record(armed=armed, killed=killed, refused=refused)
    if armed:
        note(state_dir, record.record_id, asdict(record))
    return record


def _tell_holder(path: Path) -> tuple[int, int]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(_PATIENCE_S)
        connection.connect(str(path))
        connection.send(b"DISARM")
        words = connection.recv(64).split()
    if len(words) != 3 or words[0] != b"DISARMED":
        raise ConnectionError("the holder did not disarm")
    return int(words[1]), int(words[2])


def _take_off(run_dir: Path) -> int:
    """End agent and holders by force; how many opens were refused."""
    agent = processes.read_agent_pid(run_dir)
    pids = processes.holders_of(run_dir)
    limit = agent.limit if agent is not None else 0
    if agent is not None and agent.is_alive():
        pids.add(agent.pid)
    if not pids:
        return 0
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have removed it
    (run_dir / processes.DISARMED_NAME).touch(mode=0o600)
    limit = max(limit, processes.descriptor_limit(pids))
    group = processes.duplicate_group(pids)
    while pids:
        processes.kill(pids, _KILL_S)
        pids = processes.holders_of(run_dir)
    return fanotify.Answers(group).take_off(limit) if group is not None else 0


def _keep_from_restart() -> None:
    """An agent that was killed has failed, and pid 1 would start it again."""
    if _SYSTEMD.is_dir():
        with suppress(OSError, subprocess.SubprocessError):
            command = ["systemctl", "--no-block", "stop", "lockgate-agent.service"]
            subprocess.run(command, timeout=_PATIENCE_S, capture_output=True, check=False)


def _record(*, armed: bool, killed: int, refused: int) -> DisarmRecord:
    caller = read_opener(os.getpid())
    return DisarmRecord(
        record_id=uuid7(),
        change="disarmed",
        time=datetime.now(UTC).isoformat(),
        armed=armed,
        uid=os.getuid(),
        login_uid=caller.login_uid,
        pid=caller.pid,
        parent_command=read_opener(os.getppid()).command,
        killed_agent=killed,
        refused_opens=refused,
    )
