"""The agent's side of the holder: get the permission group, beat, and see the holder die.

Rules enforced here:

1. An agent gets the group from a holder and from nowhere else, so that taking over and
   starting are one way, and the holder has swept before the agent reads.
2. A holder that dies is replaced at once; until then the guard says that it is degraded.
"""

from __future__ import annotations

import array
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lockgate.agent.guard import fanotify
from lockgate.agent.guard.holder import SOCKET_NAME
from lockgate.agent.guard.opener import start_ticks

AGENT_PID_NAME = "agent.pid"
_PATIENCE_S = 10.0


class HolderBusyError(Exception):
    """Another agent holds opens already."""


class GroupLink:
    """The group and the connection to its holder."""

    def __init__(
        self,
        group: int,
        connection: socket.socket,
        run_dir: Path,
        *,
        silence_s: float,
        grace_s: float,
        taken_over: bool,
    ) -> None:
        self.group = group
        self.taken_over = taken_over
        self._connection: socket.socket | None = connection
        self._run_dir = run_dir
        self._silence_s = silence_s
        self._grace_s = grace_s

    @classmethod
    def open(cls, run_dir: Path, *, silence_s: float = 5.0, grace_s: float = 5.0) -> Self:
        """Take over the group of a running holder, or start a holder with a new group.

        Raises:
            HolderBusyError: another agent is alive.
            OSError: no permission events, or the holder did not start.
        """
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = run_dir / SOCKET_NAME
        taken_over = True
        try:
            group, connection = _greet(path)
        except (FileNotFoundError, ConnectionError):
            fresh = fanotify.create()
            try:
                _start_holder(fresh, run_dir, silence_s, grace_s)
            finally:
                os.close(fresh)
            group, connection = _greet(path)
            taken_over = False
        write_agent_pid(run_dir)
        return cls(
            group, connection, run_dir, silence_s=silence_s, grace_s=grace_s, taken_over=taken_over
        )

    def beat(self) -> None:
        """Tell the holder that the loop turns; replace a holder that is gone."""
        try:
            if self._connection is not None:
                self._connection.send(b"BEAT", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                return
        except BlockingIOError:
            return
        except OSError:
            self._forget_connection()
        self._replace_holder()

    def fileno(self) -> int | None:
        """The connection to the holder, readable when it speaks or dies; None: there is none."""
        return self._connection.fileno() if self._connection is not None else None

    def hear(self) -> bool:
        """What the holder says: True when an operator disarms.

        A holder that died is replaced here, at once.
        """
        try:
            packet = self._connection.recv(64) if self._connection is not None else b""
        except BlockingIOError:
            return False
        except OSError:
            packet = b""
        if not packet:
            self._forget_connection()
            self._replace_holder()
        return packet == b"DISARM"

    def weaknesses(self) -> tuple[str, ...]:
        """Why the guard is less than whole."""
        return () if self._connection is not None else ("no holder keeps the group alive",)

    def close(self) -> None:
        """Let go of the group; opens wait for the next agent, or for the holder's refusal."""
        os.close(self.group)
        self._forget_connection()

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _replace_holder(self) -> None:
        try:
            _start_holder(self.group, self._run_dir, self._silence_s, self._grace_s)
            group, self._connection = _greet(self._run_dir / SOCKET_NAME)
            os.close(group)
        except (OSError, HolderBusyError):
            self._forget_connection()


def write_agent_pid(run_dir: Path) -> None:
    """Leave pid and start time, so that an agent without a holder can be found and ended."""
    pid = os.getpid()
    (run_dir / AGENT_PID_NAME).write_text(f"{pid} {start_ticks(pid)}\n", "ascii")


def _start_holder(group: int, run_dir: Path, silence_s: float, grace_s: float) -> None:
    """Start the holder as nobody's child, and wait until it listens."""
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    program = [sys.executable, "-m", "lockgate.agent.guard.holder", "--run-dir", str(run_dir)]
    program += ["--group", str(group), "--ready", str(ready_write)]
    program += ["--silence", str(silence_s), "--grace", str(grace_s)]
    launcher = "import os,sys\nif os.fork() == 0: os.execv(sys.argv[1], sys.argv[1:])"
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", launcher, *program],
            pass_fds=(group, ready_write),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            timeout=_PATIENCE_S,
            check=True,
        )
        os.close(ready_write)
        ready_write = -1
        if os.read(ready_read, 1) != b"R":
            raise OSError("the holder did not start")
    finally:
        os.close(ready_read)
        if ready_write >= 0:
            os.close(ready_write)


def _greet(path: Path) -> tuple[int, socket.socket]:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_PATIENCE_S)
    try:
        connection.connect(str(path))
        connection.send(b"HELLO %d" % limit)
        space = socket.CMSG_SPACE(array.array("i").itemsize)
        packet, ancillary, _flags, _address = connection.recvmsg(256, space)
        group = _received_group(packet, ancillary)
    except BaseException:
        connection.close()
        raise
    connection.setblocking(False)  # noqa: FBT003 - the name is the standard library's
    return group, connection


def _received_group(packet: bytes, ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    if packet.startswith(b"BUSY"):
        raise HolderBusyError(f"an agent is running already: pid {packet[5:].decode()}")
    if packet != b"GROUP" or not ancillary:
        raise ConnectionError("the holder gave no descriptor")
    group: int = array.array("i", ancillary[0][2])[0]
    os.set_inheritable(group, False)  # noqa: FBT003 - the name is the standard library's
    return group
