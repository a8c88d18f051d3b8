"""Bytes that come into a judged clean file without write(2): clones, exchanged extents, loops.

The secret lies in a file that its creator still has open; its bytes are brought under the
name and inode of a file that was judged clean.
"""

from __future__ import annotations

import fcntl
import os
import struct

from tests.conformance import syscalls
from tests.conformance.filesystems import detach_loops
from tests.conformance.way import (
    WITH_REFLINKS,
    Place,
    in_child,
    open_patiently,
    output_of,
    read_patiently,
    run,
    way,
)
from tests.conformance.ways.races import begin

_FAMILY = "swaps"
_EXT4 = ("ext4",)
_XFS = ("xfs",)
_NO_REFLINKS = "the filesystem has no reflinks"
_EXT4_IOC_SWAP_BOOT = 0x6611


def _secret(place: Place) -> int:
    """The secret in a file of its own, by its creator's descriptor."""
    fd = os.open(place.outside / "secret", os.O_RDWR | os.O_CREAT, 0o644)
    os.write(fd, place.content.body)
    os.fsync(fd)
    return fd


def _swapped(place: Place) -> bytes:
    return in_child(lambda: read_patiently(place.file))


@way(
    "FICLONE into a judged clean file", _FAMILY, on=WITH_REFLINKS, writes=True, reason=_NO_REFLINKS
)
def clone(place: Place) -> bytes:
    begin(place)
    target = open_patiently(place.file, os.O_WRONLY)
    fcntl.ioctl(target, syscalls.FICLONE, _secret(place))
    os.close(target)
    return _swapped(place)


@way(
    "FICLONERANGE into a judged clean file, times put back",
    _FAMILY,
    on=WITH_REFLINKS,
    writes=True,
    reason=_NO_REFLINKS,
)
def clone_range(place: Place) -> bytes:
    begin(place)
    before = place.file.stat()
    target = open_patiently(place.file, os.O_WRONLY)
    fcntl.ioctl(target, syscalls.FICLONERANGE, struct.pack("=qQQQ", _secret(place), 0, 8192, 0))
    os.close(target)
    os.utime(place.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return _swapped(place)


@way("copy_file_range into a judged clean file", _FAMILY, writes=True)
def copy_range(place: Place) -> bytes:
    begin(place)
    target = open_patiently(place.file, os.O_WRONLY)
    os.copy_file_range(_secret(place), target, 1 << 20, 0, 0)
    os.close(target)
    return _swapped(place)


@way("splice into a judged clean file", _FAMILY, writes=True)
def splice(place: Place) -> bytes:
    begin(place)
    target = open_patiently(place.file, os.O_WRONLY)
    reading, writing = os.pipe()
    os.splice(_secret(place), writing, 8192, offset_src=0)
    os.splice(reading, target, 8192)
    os.close(target)
    return _swapped(place)


@way("FIDEDUPERANGE with a judged clean file", _FAMILY, on=WITH_REFLINKS, writes=True)
def dedupe(place: Place) -> bytes:
    """It shares only what is equal: the secret must come by an ordinary write first."""
    begin(place)
    target = open_patiently(place.file, os.O_WRONLY)
    os.pwrite(target, place.content.body, 0)
    request = struct.pack("=QQHHI", 0, 8192, 1, 0, 0) + struct.pack("=qQQiI", target, 0, 0, 0, 0)
    os.fsync(target)
    fcntl.ioctl(_secret(place), syscalls.FIDEDUPERANGE, bytearray(request))
    os.close(target)
    return _swapped(place)


@way("EXT4_IOC_SWAP_BOOT, twice", _FAMILY, on=_EXT4, writes=True)
def swap_boot(place: Place) -> bytes:
    """The secret goes through the boot loader's inode into a judged clean file."""
    begin(place)
    secret = _secret(place)
    turn = os.open(place.mount_point, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)  # a filesystem has one such inode for all attempts
    fcntl.ioctl(secret, _EXT4_IOC_SWAP_BOOT)
    os.close(secret)
    target = open_patiently(place.file, os.O_WRONLY)
    fcntl.ioctl(target, _EXT4_IOC_SWAP_BOOT)
    os.close(target)
    os.close(turn)
    return _swapped(place)


@way("xfs swapext with a judged clean file", _FAMILY, on=_XFS, writes=True)
def swap_extents(place: Place) -> bytes:
    """By the program of xfs, which is the creator of the secret."""
    begin(place)
    body = place.elsewhere / "body"
    body.write_bytes(place.content.body)
    filled = f"pwrite -q -i {body} 0 {len(place.content.body)}"
    words = ("-c", filled, "-c", "fsync", "-c", f"swapext {place.file}")
    run("xfs_io", "-f", *words, place.outside / "secret")
    return _swapped(place)


@way("loop device that writes into a judged clean file", _FAMILY, writes=True)
def loop_writer(place: Place) -> bytes:
    begin(place)
    device = output_of("losetup", "--find", "--show", place.file).decode().strip()
    try:
        if device:
            body = place.elsewhere / "body"
            body.write_bytes(place.content.body)
            run("dd", f"if={body}", f"of={device}", "bs=4096", "oflag=direct")
            early = _try_read(place)
            run("losetup", "-d", device)
            return early + _swapped(place)
        place.write_file()
        return _swapped(place)
    finally:
        detach_loops(str(place.file))


def _try_read(place: Place) -> bytes:
    try:
        return in_child(lambda: read_patiently(place.file, 0.1))
    except OSError:
        return b""
