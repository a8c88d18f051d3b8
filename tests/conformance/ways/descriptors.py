"""Bytes and descriptors that go from one process to another."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.conformance import syscalls
from tests.conformance.way import PATIENCE_S, Place, Scope, in_child, output_of, read_path, way

_FAMILY = "descriptors"
_SIZE = 1 << 16
_EVENT_FD_AT = 16  # in struct fanotify_event_metadata


@dataclass(frozen=True, slots=True)
class Reader:
    """A process that has the file open, under descriptor ``fd`` and at ``address``."""

    pid: int
    fd: int
    address: int
    size: int


@contextmanager
def reader_of(place: Place) -> Iterator[Reader]:
    """Another process that opens and maps the file, and stays.

    Raises:
        OSError: it was refused.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _hold(place, writing)
    os.close(writing)
    words = os.read(reading, 256).decode().split()
    if len(words) == 1:
        os.waitpid(child, 0)
        raise OSError(int(words[0]), os.strerror(int(words[0])))
    try:
        yield Reader(child, *map(int, words))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def _hold(place: Place, writing: int) -> None:
    try:
        fd = os.open(place.file, os.O_RDONLY)
        size = os.fstat(fd).st_size
        mapping = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        os.write(writing, f"{fd} {address} {size}".encode())
    except OSError as error:
        os.write(writing, str(error.errno).encode())
        os._exit(1)
    while True:
        os.read(os.pipe()[0], 1)


@way("SCM_RIGHTS from a process that opens", _FAMILY)
def scm_rights(place: Place) -> bytes:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            socket.send_fds(theirs, [b"."], [os.open(place.file, os.O_RDONLY)])
        finally:
            os._exit(0)
    theirs.close()
    os.waitpid(child, 0)
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    return os.read(fds[0], _SIZE) if fds else b""


@way("inherited over exec as standard input", _FAMILY)
def inherited(place: Place) -> bytes:
    with open(place.file, "rb") as source:
        command = ["cat"]
        return subprocess.run(
            command, stdin=source, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False
        ).stdout


@way("pidfd_getfd of a reader", _FAMILY)
def getfd(place: Place) -> bytes:
    with reader_of(place) as reader:
        return os.pread(syscalls.fd_of_process(reader.pid, reader.fd), _SIZE, 0)


@way("/proc/PID/fd of a reader", _FAMILY)
def proc_fd(place: Place) -> bytes:
    with reader_of(place) as reader:
        return read_path(f"/proc/{reader.pid}/fd/{reader.fd}")


@way("/proc/PID/map_files of a reader", _FAMILY)
def map_files(place: Place) -> bytes:
    with reader_of(place) as reader:
        end = reader.address + -(-reader.size // mmap.PAGESIZE) * mmap.PAGESIZE
        return read_path(f"/proc/{reader.pid}/map_files/{reader.address:x}-{end:x}")


@way("process_vm_readv of a reader's mapping", _FAMILY)
def vm_read(place: Place) -> bytes:
    with reader_of(place) as reader:
        return syscalls.read_of_process(reader.pid, reader.address, reader.size)


@way("/proc/PID/mem of a reader's mapping", _FAMILY)
def proc_mem(place: Place) -> bytes:
    with reader_of(place) as reader, open(f"/proc/{reader.pid}/mem", "rb", buffering=0) as memory:
        memory.seek(reader.address)
        return memory.read(reader.size)


@way("O_PATH sent over SCM_RIGHTS, reopened by the receiver", _FAMILY)
def scm_path(place: Place) -> bytes:
    ours, theirs = socket.socketpair()
    socket.send_fds(theirs, [b"."], [os.open(place.file, os.O_PATH)])
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    return read_path(f"/proc/self/fd/{fds[0]}")


@way("a directory descriptor sent over SCM_RIGHTS", _FAMILY)
def scm_directory(place: Place) -> bytes:
    ours, theirs = socket.socketpair()
    socket.send_fds(theirs, [b"."], [os.open(place.zone, os.O_RDONLY)])
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    return in_child(lambda: os.read(os.open("wanted", os.O_RDONLY, dir_fd=fds[0]), _SIZE))


@way(
    "descriptor that another fanotify listener is given",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    writes=True,
    reason="the kernel opens it for the listener (CAP_SYS_ADMIN), and asks nobody",
)
def listener(place: Place) -> bytes:
    group = syscalls.listen(place.zone)
    place.write_file()
    event = os.read(group, 4096)
    (fd,) = struct.unpack_from("=i", event, _EVENT_FD_AT)
    return os.pread(fd, _SIZE, 0)


@way("a program that opens it in a new session", _FAMILY)
def new_session(place: Place) -> bytes:
    return output_of("setsid", "-w", sys.executable, "-Ic", f"print(open(r'{place.file}').read())")
