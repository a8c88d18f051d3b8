"""The agent as its holder sees it: a process, a connection, and the last sign of life.

Rules enforced here: an agent is named by a pidfd, so that no other process is ended in its
place; it is gone only when its descriptors are closed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from lockgate.agent.guard import processes

LEAVING_S = 0.2
_OVERDUE_S = 2.0


class Agent:
    """The connected agent: its process, and when it last gave a sign of life."""

    def __init__(self, connection: socket.socket, pid: int, deadline_s: float) -> None:
        self.connection = connection
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.deadline_s = deadline_s
        self.oldest_s = 0.0
        self.last_beat = time.monotonic()

    def is_alive(self) -> bool:
        """Whether the process exists."""
        return not processes.readable(self.pidfd, 0)

    def beat(self, oldest_s: float) -> None:
        """Note a sign of life, and how long the oldest open waits; answer it."""
        self.last_beat, self.oldest_s = time.monotonic(), oldest_s
        with contextlib.suppress(OSError):
            self.connection.send(b"BEAT", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def is_overdue(self) -> bool:
        """Whether an open waits for the agent although its deadline has passed."""
        return self.oldest_s > self.deadline_s + _OVERDUE_S

    def leaves(self) -> bool:
        """Ask the process to go; False when it does not in time."""
        with contextlib.suppress(OSError):
            self.connection.send(b"DISARM", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return processes.readable(self.pidfd, LEAVING_S)

    def kill(self) -> None:
        """End the process and wait until it is gone, also when it is stopped."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        processes.readable(self.pidfd)

    def close(self) -> None:
        """Forget the process."""
        self.connection.close()
        os.close(self.pidfd)
