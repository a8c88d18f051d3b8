"""The bytes of one core as they come from the kernel: from a socket or a pipe.

Rules enforced here:

1. No read waits longer than ``stall_s``.
2. A stream can be cut off from another thread, also while this one hangs elsewhere: the
   crashed process is free at once, and what is read afterwards is the end.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
from contextlib import suppress
from typing import Protocol

_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20
_TIME = struct.Struct("@ll")


class Stream(Protocol):
    """Bytes that come in order."""

    def read_into(self, view: memoryview) -> int:
        """Fill ``view`` as far as bytes come; 0 at the end.

        Raises:
            TimeoutError: nothing came for too long.
            OSError: the other side broke off.
        """
        ...

    def cut(self) -> None:
        """Let the crashed process go; from any thread, at any time."""
        ...

    def close(self) -> None:
        """Give the descriptor back."""
        ...


class SocketStream:
    """The kernel's end is a coredump socket."""

    def __init__(self, connection: socket.socket, stall_s: float) -> None:
        connection.settimeout(None)
        whole = int(stall_s)
        time = _TIME.pack(whole, int((stall_s - whole) * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time)
        self._connection = connection

    def read_into(self, view: memoryview) -> int:
        """See :class:`Stream`; one call for many of the kernel's small writes."""
        try:
            return self._connection.recv_into(view, 0, socket.MSG_WAITALL)
        except BlockingIOError:
            raise TimeoutError from None

    def cut(self) -> None:
        """See :class:`Stream`."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See :class:`Stream`."""
        self.cut()
        self._connection.close()


class PipeStream:
    """The kernel writes into a pipe."""

    def __init__(self, fd: int, stall_s: float) -> None:
        self._fd = fd
        self._stall_ms = stall_s * 1000
        self._poller = select.poll()
        self._poller.register(fd, select.POLLIN)
        with suppress(OSError):
            fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)

    def read_into(self, view: memoryview) -> int:
        """See :class:`Stream`."""
        filled = 0
        while filled < len(view):
            if not self._poller.poll(self._stall_ms):
                if filled:
                    break
                raise TimeoutError
            count = os.readv(self._fd, [view[filled:]])
            if not count:
                break
            filled += count
        return filled

    def cut(self) -> None:
        """See :class:`Stream`: the descriptor's number stays, so that no other file gets it."""
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.dup2(nothing, self._fd, inheritable=False)
        finally:
            os.close(nothing)

    def close(self) -> None:
        """See :class:`Stream`."""
        os.close(self._fd)
