"""Take the guard off, whatever state the agent is in.

Rules enforced here:

1. Only root may. It works within a second, also when the agent is stopped or hangs.
2. Opens that wait are denied before the group closes; what is opened afterwards passes.
3. It leaves a record on disk before it answers; the next agent reports and alerts it.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.durable import write_durably
from lockgate.agent.guard.group import AGENT_PID_NAME
from lockgate.agent.guard.holder import SOCKET_NAME
from lockgate.agent.guard.opener import read_opener, start_ticks
from lockgate.wire.ids import uuid7

RECORDS = "records"
_PATIENCE_S = 3.0


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
        TimeoutError: a holder is there and did not answer; nothing is known of the guard.
        OSError: the record could not be written; the guard is off then.
    """
    if os.geteuid() != 0:
        raise PermissionError("only root may take the guard off")
    try:
        refused, killed = _tell_holder(run_dir / SOCKET_NAME)
        armed = True
    except (FileNotFoundError, ConnectionError):
        refused, killed = 0, _end_lone_agent(run_dir)
        armed = killed != 0
    record = _record(armed=armed, killed=killed, refused=refused)
    if armed:
        folder = state_dir / RECORDS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(folder / f"{record.record_id}.json", asdict(record))
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


def _end_lone_agent(run_dir: Path) -> int:
    """End an agent whose holder is gone; its pid, or 0 when there is none."""
    try:
        pid, ticks = (int(word) for word in (run_dir / AGENT_PID_NAME).read_text("ascii").split())
    except (OSError, ValueError):
        return 0
    if start_ticks(pid) != ticks:
        return 0
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


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
