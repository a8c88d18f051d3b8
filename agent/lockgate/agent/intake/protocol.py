"""The kernel's coredump socket with requests (``core_pattern=@@/path``, <linux/coredump.h>).

Rules enforced here:

1. The kernel speaks first, and the crashed process stays as it is until it has its answer:
   whatever must be known of the process is read before.
2. Nothing is taken that was not asked for: a mark other than "go on" ends the conversation.

The kernel sends a request {size, size_ack, mask}; the answer is {size, 0, mask}; then comes a
mark of four bytes, 0 for "go on", and the core as ELF. All integers in the machine's order.
"""

from __future__ import annotations

import socket
import struct

_REQUEST = struct.Struct("=IIQ")
_ANSWER = struct.Struct("=IIQ")
_MARK = struct.Struct("=I")
_MOST_REQUEST_BYTES = 4096
_KERNEL_DUMPS, _REJECT = 1, 4
_CREDENTIALS = struct.Struct("=iII")
_SO_PEERPIDFD = 77


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


def read_request(connection: socket.socket) -> int:
    """Read the request; what the kernel can do, as a mask.

    Raises:
        ProtocolError: it is none.
        OSError: nothing came in time.
    """
    head = _exactly(connection, 4)
    (size,) = struct.unpack("=I", head)
    if not _REQUEST.size <= size <= _MOST_REQUEST_BYTES:
        raise ProtocolError("a request of impossible size")
    request = head + _exactly(connection, size - len(head))
    size_of_answer, mask = _REQUEST.unpack_from(request)[1:]
    if size_of_answer < _ANSWER.size:
        raise ProtocolError("no room for an answer")
    return int(mask)


def accept(connection: socket.socket) -> None:
    """Have the kernel write the core into this connection.

    Raises:
        ProtocolError: the kernel does not go on.
        OSError: nothing came in time.
    """
    connection.sendall(_ANSWER.pack(_ANSWER.size, 0, _KERNEL_DUMPS))
    (mark,) = _MARK.unpack(_exactly(connection, _MARK.size))
    if mark:
        raise ProtocolError(f"the kernel refuses: mark {mark}")


def reject(connection: socket.socket) -> None:
    """Have no core written at all; the process ends at once.

    Raises:
        OSError: the other side is gone.
    """
    connection.sendall(_ANSWER.pack(_ANSWER.size, 0, _REJECT))


def peer_pid(connection: socket.socket) -> int:
    """The process behind a connection (unix(7), SO_PEERCRED); of the kernel's: the crashed one."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[0])


def peer_pidfd(connection: socket.socket) -> int:
    """A descriptor of the same process.

    Raises:
        OSError: the process is gone.
    """
    return connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            raise ProtocolError("the other side went away")
        received += piece
    return received
