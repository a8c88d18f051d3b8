"""Copies inside the filesystem, which need not move a byte, and what is read from them."""

from __future__ import annotations

import fcntl
import os
import struct

from tests.conformance import syscalls
from tests.conformance.way import WITH_REFLINKS, Place, in_child, output_of, read_path, way

_FAMILY = "copies"
_NO_REFLINKS = "the filesystem has no reflinks"


def _read_copy(place: Place) -> bytes:
    return in_child(lambda: read_path(place.outside / "copy"))


def _target(place: Place) -> int:
    return os.open(place.outside / "copy", os.O_WRONLY | os.O_CREAT, 0o644)


@way("cp inside the filesystem", _FAMILY)
def cp(place: Place) -> bytes:
    output_of("cp", place.file, place.outside / "copy")
    return _read_copy(place)


@way("cp --reflink=always", _FAMILY, on=WITH_REFLINKS, reason=_NO_REFLINKS)
def reflink(place: Place) -> bytes:
    output_of("cp", "--reflink=always", place.file, place.outside / "copy")
    return _read_copy(place)


@way("FICLONE", _FAMILY, on=WITH_REFLINKS, reason=_NO_REFLINKS)
def clone(place: Place) -> bytes:
    target = _target(place)
    fcntl.ioctl(target, syscalls.FICLONE, os.open(place.file, os.O_RDONLY))
    os.close(target)
    return _read_copy(place)


@way("FICLONERANGE", _FAMILY, on=WITH_REFLINKS, reason=_NO_REFLINKS)
def clone_range(place: Place) -> bytes:
    target = _target(place)
    source = os.open(place.file, os.O_RDONLY)
    fcntl.ioctl(target, syscalls.FICLONERANGE, struct.pack("=qQQQ", source, 0, 8192, 0))
    os.close(target)
    return _read_copy(place)


@way("FICLONE through O_RDWR", _FAMILY, on=WITH_REFLINKS, reason=_NO_REFLINKS)
def clone_read_write(place: Place) -> bytes:
    target = _target(place)
    fcntl.ioctl(target, syscalls.FICLONE, os.open(place.file, os.O_RDWR))
    os.close(target)
    return _read_copy(place)


@way("FICLONE through O_WRONLY", _FAMILY, on=WITH_REFLINKS, reason=_NO_REFLINKS)
def clone_write_only(place: Place) -> bytes:
    target = _target(place)
    source = os.open(place.file, os.O_WRONLY)
    try:
        fcntl.ioctl(target, syscalls.FICLONE, source)
    except OSError:  # it is refused everywhere; the file itself is what is left
        os.close(source)
        return read_path(place.file)
    return _read_copy(place)


@way("copy_file_range inside the filesystem", _FAMILY)
def copy_range(place: Place) -> bytes:
    target = _target(place)
    os.copy_file_range(os.open(place.file, os.O_RDONLY), target, 1 << 20)
    os.close(target)
    return _read_copy(place)


@way("the copy is renamed into the zone again", _FAMILY)
def copy_back(place: Place) -> bytes:
    output_of("cp", place.file, place.outside / "copy")
    (place.outside / "copy").rename(place.zone / "copy")
    return in_child(lambda: read_path(place.zone / "copy"))
