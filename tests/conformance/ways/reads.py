"""Every system call that moves bytes out of an open file."""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

from tests.conformance import syscalls, uring
from tests.conformance.way import ON_A_DEVICE, Place, way

_FAMILY = "reads"
_SIZE = 1 << 16
_RWF_NOWAIT = 0x8


def _opened(place: Place) -> int:
    return os.open(place.file, os.O_RDONLY)


def _from_pipe(fill: Callable[[int], object]) -> bytes:
    """What ``fill`` puts into a pipe that is large enough."""
    reading, writing = os.pipe()
    fill(writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as source:
        return source.read()


@way("read", _FAMILY)
def read(place: Place) -> bytes:
    return os.read(_opened(place), _SIZE)


@way("pread", _FAMILY)
def pread(place: Place) -> bytes:
    return os.pread(_opened(place), _SIZE, 0)


@way("readv", _FAMILY)
def readv(place: Place) -> bytes:
    buffer = bytearray(_SIZE)
    return bytes(buffer[: os.readv(_opened(place), [buffer])])


@way("preadv2 RWF_NOWAIT", _FAMILY, on=ON_A_DEVICE, reason="a tmpfs knows no RWF_NOWAIT")
def preadv2(place: Place) -> bytes:
    buffer = bytearray(_SIZE)
    fd = _opened(place)
    os.pread(fd, 1, 0)  # so that the pages are there
    return bytes(buffer[: os.preadv(fd, [buffer], 0, _RWF_NOWAIT)])


@way("mmap private", _FAMILY)
def mmap_private(place: Place) -> bytes:
    return mmap.mmap(_opened(place), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)[:]


@way("mmap shared", _FAMILY)
def mmap_shared(place: Place) -> bytes:
    return mmap.mmap(_opened(place), 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)[:]


@way("mmap populated, descriptor closed", _FAMILY)
def mmap_populated(place: Place) -> bytes:
    fd = _opened(place)
    flags = mmap.MAP_PRIVATE | mmap.MAP_POPULATE
    mapping = mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ)
    os.close(fd)
    return mapping[:]


@way("mmap executable", _FAMILY)
def mmap_executable(place: Place) -> bytes:
    rights = mmap.PROT_READ | mmap.PROT_EXEC
    return mmap.mmap(_opened(place), 0, flags=mmap.MAP_PRIVATE, prot=rights)[:]


@way("mmap shared and writable", _FAMILY)
def mmap_writable(place: Place) -> bytes:
    return mmap.mmap(os.open(place.file, os.O_RDWR), 0)[:]


@way("sendfile to a socket", _FAMILY)
def sendfile(place: Place) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = os.sendfile(ours.fileno(), _opened(place), 0, _SIZE)
        return theirs.recv(sent, socket.MSG_WAITALL)


@way("sendfile to a memfd", _FAMILY)
def sendfile_to_memory(place: Place) -> bytes:
    memory = os.memfd_create("copy")
    sent = os.sendfile(memory, _opened(place), 0, _SIZE)
    return os.pread(memory, sent, 0)


@way("splice to a pipe", _FAMILY)
def splice(place: Place) -> bytes:
    fd = _opened(place)
    return _from_pipe(lambda pipe: os.splice(fd, pipe, _SIZE, offset_src=0))


@way("splice, then tee to another pipe", _FAMILY)
def tee(place: Place) -> bytes:
    fd = _opened(place)
    first, filling = os.pipe()
    os.splice(fd, filling, _SIZE, offset_src=0)
    return _from_pipe(lambda pipe: syscalls.tee(first, pipe, _SIZE))


@way("vmsplice of a mapping", _FAMILY)
def vmsplice(place: Place) -> bytes:
    mapping = mmap.mmap(_opened(place), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    return _from_pipe(lambda pipe: syscalls.vmsplice(pipe, mapping[:]))


@way("copy_file_range to another filesystem", _FAMILY)
def copy_range_away(place: Place) -> bytes:
    out = os.open(place.elsewhere / "out", os.O_RDWR | os.O_CREAT)
    fd = _opened(place)
    try:
        got = os.copy_file_range(fd, out, _SIZE)
    except OSError:  # some pairs of filesystems have no common way
        got = os.sendfile(out, fd, 0, _SIZE)
    return os.pread(out, got, 0)


@way("readahead, then read", _FAMILY)
def advised(place: Place) -> bytes:
    fd = _opened(place)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
    return os.read(fd, _SIZE)


@way("kernel aio", _FAMILY)
def aio(place: Place) -> bytes:
    return syscalls.aio_read(_opened(place), _SIZE)


@way("io_uring openat and read", _FAMILY)
def io_uring(place: Place) -> bytes:
    ring = uring.Ring()
    return ring.read(ring.open(place.file), _SIZE)


@way("io_uring in an io-wq worker", _FAMILY)
def io_uring_worker(place: Place) -> bytes:
    ring = uring.Ring()
    fd = ring.open(place.file, how=uring.ASYNC)
    return ring.read(fd, _SIZE, how=uring.ASYNC)


@way("io_uring with SQPOLL", _FAMILY)
def io_uring_polled(place: Place) -> bytes:
    ring = uring.Ring(polled=True)
    return ring.read(ring.open(place.file), _SIZE)


@way("io_uring openat into a fixed file", _FAMILY)
def io_uring_slot(place: Place) -> bytes:
    ring = uring.Ring()
    ring.register_slots(2)
    ring.open(place.file, slot=1)
    return ring.read(0, _SIZE, how=uring.FIXED_FILE)


@way("io_uring read into a fixed buffer", _FAMILY)
def io_uring_buffer(place: Place) -> bytes:
    ring = uring.Ring()
    return ring.read_fixed(ring.open(place.file), _SIZE)


@way("io_uring splice", _FAMILY)
def io_uring_splice(place: Place) -> bytes:
    ring = uring.Ring()
    fd = ring.open(place.file)
    return _from_pipe(lambda pipe: ring.splice(fd, pipe, _SIZE))


@way("io_uring openat O_RDWR", _FAMILY)
def io_uring_read_write(place: Place) -> bytes:
    ring = uring.Ring()
    return ring.read(ring.open(place.file, os.O_RDWR), _SIZE)


@way("io_uring openat O_WRONLY, reopened", _FAMILY)
def io_uring_write_only(place: Place) -> bytes:
    ring = uring.Ring()
    fd = ring.open(place.file, os.O_WRONLY)
    try:
        again = ring.open(Path(f"/proc/self/fd/{fd}"))
    except OSError:  # it was its own writer; without it the file is judged as it is
        os.close(fd)
        again = ring.open(place.file)
    return ring.read(again, _SIZE)
