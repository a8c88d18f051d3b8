"""A copy of the holder that takes over when the holder dies or stops.

Rules enforced here:

1. The copy is a fork: it has every descriptor and all that the holder knows. It is renewed
   whenever that changes, and whenever it died or does not answer. The former copy lives until
   the new one does, so that at no moment there is none.
2. It does nothing until the holder is gone. A holder that gives no sign of life for
   ``silence`` seconds is killed first, and so is a former copy that is left, so that never two
   of them answer.

So three processes have the permission group, and the guard survives the sudden death of any
two of them. It is there also where pid 1 is given the group: whether pid 1 keeps it cannot be
seen (sd_notify(3)).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress

from lockgate.agent.guard import processes

_SIGN = b"."
_SIGN_EVERY_S = 1.0
_PR_SET_NAME = 15


def name_process(name: str) -> None:
    """Set the name that ps(1) shows, at most 15 characters (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


class Standby:
    """The holder's end of the pair; after a promotion, the promoted copy's."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._pid = 0
        self._connection: socket.socket | None = None
        self._heard = 0.0
        self._next_sign = 0.0

    def fileno(self) -> int:
        """The connection to the copy, readable when it answers or dies; -1: there is none."""
        return self._connection.fileno() if self._connection is not None else -1

    def renew(self) -> bool:
        """Replace the copy by a new one; True in the copy, which returns when it is promoted.

        Raises:
            OSError: the host has no process or descriptor left; there is no copy now.
        """
        try:
            return self._renew()
        except OSError:
            self.end()  # it knows less than the holder does
            raise

    def _renew(self) -> bool:
        with ExitStack() as opened:
            holder = _pidfd(os.getpid(), opened)
            former = None if self._connection is None else _pidfd(self._pid, opened)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opened.enter_context(theirs)
            pid = _forked(ours)
            if pid == 0:
                ours.close()
                self._stand_by(theirs, holder, former)
                return True
            self.end()
            ours.setblocking(False)  # noqa: FBT003 - the name is the standard library's
            self._pid, self._connection, self._heard = pid, ours, time.monotonic()
            return False

    def _stand_by(self, connection: socket.socket, holder: int, former: int | None) -> None:
        """In the copy, from its first moment to its promotion."""
        try:
            name_process("lockgate-second")
            if former is not None:
                _end(former)
            self._forget()
            _wait_for_promotion(connection, self._silence_s)
            _end(holder)
            name_process("lockgate-holder")
        except BaseException:  # noqa: BLE001 - what follows in this stack belongs to the holder
            os._exit(1)

    def hear(self) -> None:
        """Take the copy's sign of life; a copy that died is noticed by :meth:`lives`."""
        if self._connection is not None:
            with suppress(OSError):
                if self._connection.recv(64):
                    self._heard = time.monotonic()
                else:
                    self._heard = 0.0

    def lives(self) -> bool:
        """Give the copy a sign of life; False when it gave none for too long."""
        if self._connection is None:
            return False
        now = time.monotonic()
        if now < self._next_sign:  # an answer wakes the holder: it must not ask again at once
            return now < self._heard + self._silence_s
        self._next_sign = now + _SIGN_EVERY_S
        try:
            self._connection.send(_SIGN, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return now < self._heard + self._silence_s

    def end(self) -> None:
        """Kill the copy, and wait until its descriptors are closed."""
        if self._connection is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._forget()  # last: a living copy would take it for our death

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _pidfd(pid: int, opened: ExitStack) -> int:
    """A pidfd of a process, closed with ``opened``."""
    pidfd = os.pidfd_open(pid)
    opened.callback(os.close, pidfd)
    return pidfd


def _forked(ours: socket.socket) -> int:
    """fork(2); ``ours`` is closed when there is no process left."""
    try:
        return os.fork()
    except OSError:
        ours.close()
        raise


def _wait_for_promotion(connection: socket.socket, silence_s: float) -> None:
    """Answer the holder's signs of life until there are none."""
    while processes.readable(connection.fileno(), silence_s):
        try:
            if not connection.recv(64):
                break
            connection.send(_SIGN, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            continue
        except OSError:
            break


def _end(pidfd: int) -> None:
    """Kill a process, and wait until it is gone."""
    with suppress(OSError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    processes.readable(pidfd)
