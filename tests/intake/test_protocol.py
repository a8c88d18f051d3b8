"""The kernel's request protocol, played by hand."""

from __future__ import annotations

import os
import socket
import struct
import threading

import pytest
from cores import REQUEST

from lockgate.agent.intake import protocol
from lockgate.agent.intake.protocol import ProtocolError


@pytest.fixture
def pair():
    """The kernel's end and ours."""
    kernel, ours = socket.socketpair()
    ours.settimeout(5)
    with kernel, ours:
        yield kernel, ours


def test_the_kernel_is_told_to_dump(pair) -> None:
    """Request, answer, mark."""
    kernel, ours = pair
    kernel.sendall(REQUEST + bytes(4) + b"\x7fELF")
    assert protocol.read_request(ours) == 0xF
    protocol.accept(ours)
    assert struct.unpack("=IIQ", kernel.recv(16)) == (16, 0, 1)
    assert ours.recv(4) == b"\x7fELF"


def test_a_longer_request_of_a_newer_kernel_is_understood(pair) -> None:
    """What we do not know of it is passed over."""
    kernel, ours = pair
    kernel.sendall(struct.pack("=IIQQ", 24, 32, 0xFF, 7) + bytes(4))
    assert protocol.read_request(ours) == 0xFF
    protocol.accept(ours)


def test_a_rejection_is_one_answer(pair) -> None:
    """Nothing is dumped then."""
    kernel, ours = pair
    protocol.reject(ours)
    assert struct.unpack("=IIQ", kernel.recv(16)) == (16, 0, 4)


@pytest.mark.parametrize(
    "request_", [b"", b"\x10", struct.pack("=IIQ", 8, 16, 0), struct.pack("=IIQ", 16, 8, 0)]
)
def test_what_is_no_request_is_refused(pair, request_: bytes) -> None:
    """Too short, impossible sizes."""
    kernel, ours = pair
    kernel.sendall(request_)
    kernel.shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError):
        protocol.read_request(ours)


def test_a_mark_that_refuses_ends_it(pair) -> None:
    """The kernel does not go on."""
    kernel, ours = pair
    threading.Thread(target=lambda: kernel.sendall(struct.pack("=I", 4))).start()
    with pytest.raises(ProtocolError):
        protocol.accept(ours)


def test_the_peer_is_known_by_number_and_descriptor(pair) -> None:
    """Of a pair that is ourselves."""
    _, ours = pair
    assert protocol.peer_pid(ours) == os.getpid()
    os.close(protocol.peer_pidfd(ours))
