"""What is older than the guard. A descriptor older than the mark raises no event for life.

Those ways are not promised; the census of the agent names their processes. What has to open
anew under the guard is promised all the same.
"""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
from pathlib import Path

from tests.conformance import uring
from tests.conformance.way import (
    Place,
    Scope,
    Steps,
    in_child,
    read_path,
    way,
    write_apart,
)

_FAMILY = "older"
_SIZE = 1 << 16
_OLDER = "the descriptor is older than the mark"


@way(
    "descriptor opened before, read",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    reason=_OLDER,
)
def read(place: Place) -> Steps:
    fd = os.open(place.file, os.O_RDONLY)
    yield
    return os.read(fd, _SIZE)


@way("descriptor opened before, mapped after", _FAMILY, scope=Scope.NOT_PROMISED, reason=_OLDER)
def mapped_after(place: Place) -> Steps:
    fd = os.open(place.file, os.O_RDONLY)
    yield
    return mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)[:]


@way(
    "mapping made before",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    reason="the mapping is older than the mark",
)
def mapped_before(place: Place) -> Steps:
    fd = os.open(place.file, os.O_RDONLY)
    mapping = mmap.mmap(fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    os.close(fd)
    yield
    return mapping[:]


@way("descriptor opened before, passed on", _FAMILY, scope=Scope.NOT_PROMISED, reason=_OLDER)
def passed_on(place: Place) -> Steps:
    fd = os.open(place.file, os.O_RDONLY)
    yield
    return in_child(lambda: os.pread(fd, _SIZE, 0))


@way(
    "descriptor opened before, in flight over SCM_RIGHTS",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    reason="the descriptor is older than the mark, and of no process while it is in flight",
)
def in_flight(place: Place) -> Steps:
    ours, theirs = socket.socketpair()
    fd = os.open(place.file, os.O_RDONLY)
    socket.send_fds(theirs, [b"."], [fd])
    os.close(fd)
    yield
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    return os.read(fds[0], _SIZE)


@way(
    "fixed file of an io_uring, registered before",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    reason="the open file is older than the mark, and in no table of descriptors",
)
def fixed_file(place: Place) -> Steps:
    ring = uring.Ring()
    fd = os.open(place.file, os.O_RDONLY)
    ring.register_files(fd)
    os.close(fd)
    yield
    return ring.read(0, _SIZE, how=uring.FIXED_FILE)


@way("descriptor opened before, reopened after", _FAMILY, scope=Scope.BEFORE)
def reopened(place: Place) -> Steps:
    fd = os.open(place.file, os.O_RDONLY)
    yield
    return read_path(f"/proc/self/fd/{fd}")


@way("O_PATH descriptor opened before, reopened after", _FAMILY, scope=Scope.BEFORE)
def path_reopened(place: Place) -> Steps:
    fd = os.open(place.file, os.O_PATH)
    yield
    return read_path(f"/proc/self/fd/{fd}")


@way("directory opened before, openat after", _FAMILY, scope=Scope.BEFORE)
def directory(place: Place) -> Steps:
    folder = os.open(place.zone, os.O_RDONLY)
    yield
    return os.read(os.open("wanted", os.O_RDONLY, dir_fd=folder), _SIZE)


@way("working directory entered before", _FAMILY, scope=Scope.BEFORE)
def working_directory(place: Place) -> Steps:
    os.chdir(place.zone)
    yield
    return read_path("wanted")


@way("io_uring made before, open after", _FAMILY, scope=Scope.BEFORE)
def ring_before(place: Place) -> Steps:
    ring = uring.Ring(polled=True)
    yield
    return ring.read(ring.open(place.file), _SIZE)


@way("file that a process executed before, read by another", _FAMILY, scope=Scope.BEFORE)
def executable(place: Place) -> Steps:
    write_apart(place.file, Path("/bin/sleep").read_bytes() + place.content.body)
    with subprocess.Popen([place.file, "infinity"]) as process:
        try:
            yield
            return read_path(f"/proc/{process.pid}/exe")
        finally:
            process.kill()
