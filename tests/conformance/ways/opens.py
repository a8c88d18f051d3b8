"""Every form of open(2), and descriptors that become other descriptors."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import threading

from tests.conformance import syscalls
from tests.conformance.way import Place, in_child, read_path, way, write_apart

_FAMILY = "opens"
_UNPRIVILEGED = 65534
_SIZE = 1 << 20
_FAR = 128 << 20
_XFS_HANDLE_BYTES = 24
_XFS_REQUEST = struct.Struct("@IPIPIPP")  # struct xfs_fsop_handlereq
_XFS_PATH_TO_HANDLE = 0xC0385869
_XFS_OPEN_BY_HANDLE = 0xC038586B


def _all_of(fd: int) -> bytes:
    with os.fdopen(fd, "rb", buffering=0) as source:
        source.seek(0)
        return source.read()


def _reopened(fd: int, flags: int = os.O_RDONLY) -> bytes:
    return _all_of(os.open(f"/proc/self/fd/{fd}", flags))


@way("O_RDWR", _FAMILY)
def read_write(place: Place) -> bytes:
    return _all_of(os.open(place.file, os.O_RDWR))


@way("O_RDWR|O_APPEND|O_CREAT", _FAMILY)
def append(place: Place) -> bytes:
    return _all_of(os.open(place.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600))


@way("O_NOATIME", _FAMILY)
def no_access_time(place: Place) -> bytes:
    return _all_of(os.open(place.file, os.O_RDONLY | os.O_NOATIME))


@way("O_NONBLOCK", _FAMILY)
def non_blocking(place: Place) -> bytes:
    return _all_of(os.open(place.file, os.O_RDONLY | os.O_NONBLOCK))


@way("O_DIRECT", _FAMILY)
def direct(place: Place) -> bytes:
    buffer = mmap.mmap(-1, 16384)
    got = os.readv(os.open(place.file, os.O_RDONLY | os.O_DIRECT), [buffer])
    return buffer[:got]


@way("write-only, reopened through /proc/self/fd", _FAMILY)
def write_only_reopened(place: Place) -> bytes:
    fd = os.open(place.file, os.O_WRONLY)
    try:
        return _reopened(fd)
    except OSError:
        os.close(fd)  # it was its own writer; without it the file is judged as it is
        return read_path(place.file)


@way("access mode 3, reopened through /proc/self/fd", _FAMILY)
def mode_three_reopened(place: Place) -> bytes:
    fd = os.open(place.file, os.O_ACCMODE)
    try:
        return _reopened(fd)
    except OSError:
        os.close(fd)
        return read_path(place.file)


@way("O_PATH, reopened through /proc/self/fd", _FAMILY)
def path_reopened(place: Place) -> bytes:
    return _reopened(os.open(place.file, os.O_PATH))


@way("O_PATH, reopened through /dev/fd", _FAMILY)
def path_reopened_through_dev(place: Place) -> bytes:
    fd = os.open(place.file, os.O_PATH)
    return read_path(f"/dev/fd/{fd}")


@way("O_PATH of a file that is unlinked then", _FAMILY)
def unlinked(place: Place) -> bytes:
    fd = os.open(place.file, os.O_PATH)
    place.file.unlink()
    return _reopened(fd)


@way("O_PATH, linkat(AT_EMPTY_PATH) out of the zone", _FAMILY)
def path_linked(place: Place) -> bytes:
    fd = os.open(place.file, os.O_PATH)
    syscalls.linkat(fd, place.outside / "linked")
    return read_path(place.outside / "linked")


@way("openat with a directory opened earlier", _FAMILY)
def openat(place: Place) -> bytes:
    directory = os.open(place.zone, os.O_RDONLY | os.O_DIRECTORY)
    return _all_of(os.open("wanted", os.O_RDONLY, dir_fd=directory))


@way("openat with an O_PATH directory", _FAMILY)
def openat_of_path(place: Place) -> bytes:
    directory = os.open(place.zone, os.O_PATH | os.O_DIRECTORY)
    return _all_of(os.open("wanted", os.O_RDONLY, dir_fd=directory))


@way("openat2 with RESOLVE_BENEATH", _FAMILY)
def beneath(place: Place) -> bytes:
    directory = os.open(place.zone, os.O_PATH | os.O_DIRECTORY)
    name = place.file.relative_to(place.zone)
    return _all_of(syscalls.openat2(name, os.O_RDONLY, syscalls.RESOLVE_BENEATH, directory))


@way("openat2 with RESOLVE_IN_ROOT", _FAMILY)
def in_root(place: Place) -> bytes:
    directory = os.open(place.mount_point, os.O_PATH | os.O_DIRECTORY)
    name = place.file.relative_to(place.mount_point)
    return _all_of(syscalls.openat2(name, os.O_RDONLY, syscalls.RESOLVE_IN_ROOT, directory))


@way("openat2 O_RDWR with RESOLVE_NO_SYMLINKS", _FAMILY)
def openat2_read_write(place: Place) -> bytes:
    fd = syscalls.openat2(place.file, os.O_RDWR, syscalls.RESOLVE_NO_SYMLINKS)
    return _all_of(fd)


@way("open_by_handle_at", _FAMILY)
def by_handle(place: Place) -> bytes:
    return _all_of(syscalls.open_handle(place.mount_point, syscalls.handle_of(place.file)))


@way("open_by_handle_at of an unlinked file", _FAMILY)
def by_handle_unlinked(place: Place) -> bytes:
    handle = syscalls.handle_of(place.file)
    keeping = os.open(place.file, os.O_PATH)
    place.file.unlink()
    got = _all_of(syscalls.open_handle(place.mount_point, handle))
    os.close(keeping)
    return got


@way("open_by_handle_at O_RDWR", _FAMILY)
def by_handle_read_write(place: Place) -> bytes:
    handle = syscalls.handle_of(place.file)
    return _all_of(syscalls.open_handle(place.mount_point, handle, os.O_RDWR))


@way("XFS_IOC_OPEN_BY_HANDLE", _FAMILY, on=("xfs",), reason="an ioctl of xfs")
def xfs_handle(place: Place) -> bytes:
    root = os.open(place.mount_point, os.O_RDONLY)
    name, handle = ctypes.create_string_buffer(os.fsencode(place.file)), bytes(_XFS_HANDLE_BYTES)
    found = ctypes.create_string_buffer(handle, len(handle))
    size = ctypes.create_string_buffer(struct.pack("=I", len(handle)), 4)
    at, size_at = ctypes.addressof(found), ctypes.addressof(size)
    path_at = ctypes.addressof(name)
    fcntl.ioctl(root, _XFS_PATH_TO_HANDLE, _XFS_REQUEST.pack(0, path_at, 0, 0, 0, at, size_at))
    (length,) = struct.unpack("=I", size.raw)
    request = _XFS_REQUEST.pack(0, 0, os.O_RDONLY, at, length, 0, 0)
    return _all_of(fcntl.ioctl(root, _XFS_OPEN_BY_HANDLE, bytearray(request)))


@way("openat2 with RESOLVE_CACHED", _FAMILY)
def cached(place: Place) -> bytes:
    place.file.stat()
    return _all_of(syscalls.openat2(place.file, os.O_RDONLY, syscalls.RESOLVE_CACHED))


@way("as an unprivileged user", _FAMILY)
def unprivileged(place: Place) -> bytes:
    place.file.chmod(0o644)

    def read() -> bytes:
        os.setgroups([])
        os.setresgid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
        os.setresuid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
        return read_path(place.file)

    return in_child(read)


@way("as the unprivileged owner, O_RDWR", _FAMILY)
def unprivileged_owner(place: Place) -> bytes:
    os.chown(place.file, _UNPRIVILEGED, _UNPRIVILEGED)

    def read() -> bytes:
        os.setresuid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
        return _all_of(os.open(place.file, os.O_RDWR))

    return in_child(read)


@way("O_TMPFILE, written, linked out, read by another", _FAMILY, writes=True)
def tmpfile(place: Place) -> bytes:
    fd = os.open(place.zone, os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, place.content.body)
    syscalls.linkat(fd, place.outside / "linked")
    os.close(fd)
    return in_child(lambda: read_path(place.outside / "linked"))


@way("by one of many threads at once", _FAMILY)
def threads(place: Place) -> bytes:
    got: list[bytes] = []

    def read() -> None:
        try:
            got.append(read_path(place.file))
        except OSError:
            return

    crowd = [threading.Thread(target=read) for _ in range(24)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return b"".join(got)


@way("by a hundred processes at once", _FAMILY)
def processes(place: Place) -> bytes:
    reading, writing = os.pipe()
    children = []
    for _ in range(100):
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, read_path(place.file)[:100])
            except OSError:
                os._exit(1)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    os.close(writing)
    return _all_of_pipe(reading)


def _all_of_pipe(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as source:
        return source.read()


@way("a file of many megabytes, its head", _FAMILY, writes=True)
def large(place: Place) -> bytes:
    write_apart(place.file, place.content.body + bytes(24 << 20))
    with open(place.file, "rb") as source:
        return source.read(8192)


@way("a sparse file, its far end", _FAMILY, writes=True)
def sparse(place: Place) -> bytes:
    def write() -> bytes:
        with open(place.file, "wb") as target:
            target.seek(_FAR)
            target.write(place.content.body)
        return b""

    in_child(write)
    with open(place.file, "rb") as source:
        source.seek(_FAR)
        return source.read()
