"""The process that keeps the permission group alive: ``python -m lockgate.agent.guard.holder``.

Rules enforced here:

1. The kernel lets everything pass once the last descriptor of a group is closed. This process
   owns one, scans nothing, and can hardly fail; so the death of an agent opens nothing.
2. An agent that died, or that did not beat for ``silence`` seconds (it is killed first),
   leaves opens that it had read. Their numbers are swept with a denial before anyone reads.
3. For ``grace`` seconds opens wait for the next agent. Then this process denies them itself:
   no open waits for ever.
4. One agent at a time. A second one is told so and gets no descriptor.
5. It ends when an operator disarms, or when an unmount has taken the last mark away.

It imports little, so that it is small, and holds no descriptor on a guarded filesystem, so
that it does not pin a mount.

Messages over the socket are single packets: ``HELLO limit`` (from an agent, with its
RLIMIT_NOFILE), ``BEAT``, ``DISARM``; answers are ``GROUP`` with the descriptor, ``BUSY pid``,
``DISARMED swept killed``. An agent is told ``DISARM`` and has a fifth of a second to go.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import errno
import os
import resource
import select
import signal
import socket
import struct
import time
from pathlib import Path

from lockgate.agent.guard import fanotify
from lockgate.cli.hardening import forbid_core_dumps

_CREDENTIALS = struct.Struct("=iII")
_PACKET_BYTES = 256
_TICK_S = 0.25
_DISARM_PATIENCE_S = 0.2
SOCKET_NAME = "holder.sock"


def protect_process() -> None:
    """Keep others from dumping, tracing or politely ending this process (prctl(2), proc(5))."""
    forbid_core_dumps()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("-1000")


def listen(path: Path) -> socket.socket:
    """The holder's socket, for root only."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    server.listen(8)
    return server


class Agent:
    """The connected agent: its process, and when it last gave a sign of life."""

    def __init__(self, connection: socket.socket, pid: int, limit: int) -> None:
        self.connection = connection
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.limit = limit
        self.last_beat = time.monotonic()

    def is_alive(self) -> bool:
        """Whether the process exists."""
        return not select.select([self.pidfd], [], [], 0)[0]

    def leaves(self) -> bool:
        """Ask the process to go; False when it does not in time."""
        with contextlib.suppress(OSError):
            self.connection.send(b"DISARM", socket.MSG_NOSIGNAL)
        return bool(select.select([self.pidfd], [], [], _DISARM_PATIENCE_S)[0])

    def kill(self) -> None:
        """End the process and wait until it is gone, also when it is stopped."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        select.select([self.pidfd], [], [], _DISARM_PATIENCE_S)

    def close(self) -> None:
        """Forget the process."""
        self.connection.close()
        os.close(self.pidfd)


class Holder:
    """The loop; see the module's rules."""

    def __init__(self, group: int, server: socket.socket, silence: float, grace: float) -> None:
        self._answers = fanotify.Answers(group)
        self._server = server
        self._silence = silence
        self._grace = grace
        self._agent: Agent | None = None
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._alone_since = time.monotonic()
        self._had_marks = False
        self._ended = False

    def run(self) -> None:
        """Hold until disarmed, or until no mark is left."""
        while not self._ended:
            self._turn()

    def _turn(self) -> None:
        reading: list[socket.socket | int] = [self._server]
        if self._agent is not None:
            reading += [self._agent.connection, self._agent.pidfd]
        answering = self._agent is None and time.monotonic() >= self._alone_since + self._grace
        ready = select.select(
            [*reading, *([self._answers.group] if answering else [])], [], [], _TICK_S
        )[0]
        if self._agent and self._agent.connection in ready:
            self._hear(self._agent)
        if self._agent and (self._agent.pidfd in ready or self._is_silent(self._agent)):
            self._lose_agent()
        if self._server in ready:
            self._accept()
        if answering and self._agent is None and self._answers.group in ready:
            self._refuse_waiting()
        self._look_for_marks()

    def _is_silent(self, agent: Agent) -> bool:
        return time.monotonic() > agent.last_beat + self._silence

    def _hear(self, agent: Agent) -> None:
        try:
            packet = agent.connection.recv(_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            agent.last_beat = time.monotonic()
        else:
            self._lose_agent()

    def _lose_agent(self) -> None:
        """Make sure that the agent is gone, then refuse what it had read."""
        agent = self._agent
        assert agent is not None
        agent.kill()
        self._limit = max(self._limit, agent.limit)
        agent.close()
        self._agent = None
        self._alone_since = time.monotonic()
        self._answers.sweep(self._limit)

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:
            return
        connection.settimeout(_DISARM_PATIENCE_S)
        try:
            self._greet(connection)
        except (OSError, ValueError):
            connection.close()

    def _greet(self, connection: socket.socket) -> None:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _gid = _CREDENTIALS.unpack(raw)
        if uid != 0:
            raise PermissionError(errno.EPERM, "the peer is not root")
        word, _, rest = connection.recv(_PACKET_BYTES).partition(b" ")
        if word == b"DISARM":
            self._disarm(connection)
        elif word == b"HELLO":
            self._welcome(connection, pid, int(rest))
        else:
            raise ValueError("not a message of an agent")

    def _welcome(self, connection: socket.socket, pid: int, limit: int) -> None:
        if self._agent is not None and self._agent.is_alive():
            connection.send(b"BUSY %d" % self._agent.pid)
            connection.close()
            return
        if self._agent is not None:
            self._lose_agent()
        self._limit = max(self._limit, limit)
        self._answers.sweep(self._limit)
        agent = Agent(connection, pid, limit)
        rights = array.array("i", [self._answers.group])
        connection.sendmsg([b"GROUP"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        connection.setblocking(False)  # noqa: FBT003 - the name is the standard library's
        self._agent = agent

    def _disarm(self, connection: socket.socket) -> None:
        killed = 0
        if self._agent is not None:
            if not self._agent.leaves():
                killed = self._agent.pid
                self._agent.kill()
            self._limit = max(self._limit, self._agent.limit)
        swept = self._answers.sweep(self._limit)
        os.close(self._answers.group)
        self._ended = True
        connection.send(b"DISARMED %d %d" % (swept, killed))
        connection.close()

    def _refuse_waiting(self) -> None:
        for mask, fd, _tid in fanotify.events(self._answers.read()):
            if mask & fanotify.OPEN_PERM:
                self._answers.deny(fd, errno.EAGAIN)
            os.close(fd)

    def _look_for_marks(self) -> None:
        if self._ended:
            return
        marked = fanotify.marks(self._answers.group) > 0
        abandoned = self._agent is None and time.monotonic() > self._alone_since + self._grace
        if not marked and (self._had_marks or abandoned) and self._agent is None:
            self._ended = True
        self._had_marks = self._had_marks or marked


def main() -> None:
    """Hold the group that was inherited as ``--group``."""
    parser = argparse.ArgumentParser(prog="lockgate-holder")
    parser.add_argument("--group", type=int, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--silence", type=float, default=5.0)
    parser.add_argument("--grace", type=float, default=5.0)
    parser.add_argument("--ready", type=int, required=True)
    options = parser.parse_args()
    protect_process()
    path = options.run_dir / SOCKET_NAME
    server = listen(path)
    os.write(options.ready, b"R")
    os.close(options.ready)
    Holder(options.group, server, options.silence, options.grace).run()
    path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
