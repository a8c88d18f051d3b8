"""ELF cores made by hand, small and exactly known, and what receives them in tests."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

from lockgate.agent.intake.entry import Crash, Entry, State
from lockgate.agent.intake.stream import SocketStream
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Opener

CODE_AT, STACK_AT, DATA_AT = 0x400000, 0x7FFF0000, 0x600000
COUNTER, POINTER = CODE_AT + 0x123, STACK_AT + 0x100
REQUEST = struct.pack("=IIQ", 16, 16, 0xF)


def note(name: bytes, kind: int, body: bytes) -> bytes:
    """One note (elf(5))."""

    def padded(text: bytes) -> bytes:
        return text + bytes(-len(text) % 4)

    return struct.pack("<III", len(name), len(body), kind) + padded(name) + padded(body)


def status(signal: int, thread: int, counter: int, pointer: int) -> bytes:
    """The kernel's elf_prstatus of x86-64."""
    body = bytearray(336)
    struct.pack_into("<h", body, 12, signal)
    struct.pack_into("<i", body, 32, thread)
    struct.pack_into("<Q", body, 240, counter)
    struct.pack_into("<Q", body, 264, pointer)
    return bytes(body)


def files(*rows: tuple[int, int, int, bytes]) -> bytes:
    """NT_FILE with pages of 4096 bytes."""
    body = struct.pack("<QQ", len(rows), 4096)
    body += b"".join(struct.pack("<QQQ", *row[:3]) for row in rows)
    return body + b"".join(row[3] + b"\0" for row in rows)


def core(content: bytes = b"memory" * 100, signal: int = 11, counter: int = COUNTER) -> bytes:
    """A core of one thread with code of ``/bin/service`` and one region of data."""
    notes = note(b"CORE\0", 1, status(signal, 42, counter, POINTER))
    notes += note(b"CORE\0", 6, struct.pack("<QQQQ", 3, CODE_AT + 64, 0, 0))
    code = (CODE_AT, CODE_AT + 0x1000, 0, b"/bin/service")
    notes += note(b"CORE\0", 0x46494C45, files(code))
    count = 3
    start = 64 + 56 * count
    data_at = start + len(notes)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    table = struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(notes), 0, 4)
    table += struct.pack("<IIQQQQQQ", 1, 5, data_at, CODE_AT, 0, 0, 0x1000, 4096)
    size = len(content)
    table += struct.pack("<IIQQQQQQ", 1, 6, data_at, DATA_AT, 0, size, size, 4096)
    return header + table + notes + content


def a_crash(unit: str = "service.service", signature: str = "") -> Crash:
    """A crash of process 1, whose memory is not read in these tests."""
    return Crash(Opener(0, unit=unit, executable="/bin/service"), "service", stack=signature)


def an_entry(crash: Crash | None = None, state: State = State.RECEIVING) -> Entry:
    """An entry of a dump that begins."""
    return Entry(uuid7(), "2026-01-01T00:00:00+00:00", "socket", state, crash or a_crash())


def stream_of(content: bytes, *, stall_s: float = 5.0, ends: bool = True) -> SocketStream:
    """A stream that gives ``content`` and then ends, or stands still."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=_send, args=(theirs, content, ends), daemon=True).start()
    return SocketStream(ours, stall_s)


def _send(sock: socket.socket, content: bytes, ends: bool) -> None:
    try:
        sock.sendall(content)
        if not ends:
            sock.recv(1)
    except OSError:
        pass
    sock.close()


def dump_into(path: Path, content: bytes) -> socket.socket:
    """Play the kernel at a coredump socket up to the end of ``content``; not closed yet."""
    kernel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    kernel.settimeout(10)
    kernel.connect(str(path))
    kernel.sendall(REQUEST)
    size, _, mask = struct.unpack("=IIQ", kernel.recv(16, socket.MSG_WAITALL))
    assert (size, mask) == (16, 1)
    kernel.sendall(bytes(4))
    kernel.sendall(content)
    return kernel
