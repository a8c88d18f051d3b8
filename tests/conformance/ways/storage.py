"""Block devices, images, subvolumes and snapshots: the same bytes below the files."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator

from tests.conformance.filesystems import detach_loops
from tests.conformance.way import (
    ON_A_DEVICE,
    Place,
    Scope,
    Steps,
    in_child,
    output_of,
    read_path,
    run,
    way,
    write_apart,
)

_FAMILY = "storage"
_BTRFS = ("btrfs",)
_NO_SUBVOLUMES = "only btrfs has subvolumes"
_NO_DEVICE = "a tmpfs has no device"
_BENEATH = "raw devices lie beneath the filesystem, where permission events do not reach; root only"
_CHUNK = 1 << 20
_EXTENT_DATA = 108
_BTRFS_IOC_TREE_SEARCH = 0xD0009411


def _loop(place: Place, *options: str) -> str:
    device = output_of("losetup", "--find", "--show", *options, place.file).decode().strip()
    if not device:
        raise PermissionError(1, "losetup was refused")
    return device


def _read_device(device: str) -> bytes:
    try:
        return read_path(device)
    finally:
        output_of("losetup", "-d", device)


@way("loop device over the file", _FAMILY)
def loop(place: Place) -> bytes:
    return _read_device(_loop(place))


@way("loop device over the file, read-only", _FAMILY)
def loop_read_only(place: Place) -> bytes:
    return _read_device(_loop(place, "-r"))


@way("image in the zone, mounted over a loop device", _FAMILY, writes=True)
def image(place: Place) -> bytes:
    inside, point = place.elsewhere / "inside", place.elsewhere / "point"
    inside.mkdir()
    point.mkdir()
    (inside / "wanted").write_bytes(place.content.body)
    made = place.elsewhere / "image"
    run("mke2fs", "-q", "-t", "ext2", "-d", inside, made, "1M")
    write_apart(place.file, made.read_bytes())
    output_of("mount", "-o", "loop,ro", place.file, point)
    return read_path(point / "wanted")


@way(
    "loop device over the file, made before",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    reason="the kernel holds the file since before the mark",
)
def loop_before(place: Place) -> Steps:
    try:
        device = _loop(place)
        yield
        return _read_device(device)
    finally:
        detach_loops(str(place.file))


@way("btrfs snapshot", _FAMILY, on=_BTRFS, reason=_NO_SUBVOLUMES)
def snapshot(place: Place) -> bytes:
    return _read_snapshot(place)


@way("btrfs read-only snapshot", _FAMILY, on=_BTRFS, reason=_NO_SUBVOLUMES)
def snapshot_read_only(place: Place) -> bytes:
    return _read_snapshot(place, "-r")


def _read_snapshot(place: Place, *options: str) -> bytes:
    target = place.outside / "snapshot"
    run("btrfs", "subvolume", "snapshot", *options, place.mount_point, target)
    try:
        return read_path(target / place.file.relative_to(place.mount_point))
    finally:
        output_of("btrfs", "subvolume", "delete", target)


@way("btrfs snapshot made before", _FAMILY, on=_BTRFS, scope=Scope.BEFORE)
def snapshot_before(place: Place) -> Steps:
    target = place.outside / "snapshot"
    run("btrfs", "subvolume", "snapshot", place.mount_point, target)
    yield
    return read_path(target / place.file.relative_to(place.mount_point))


def _subvolume(place: Place) -> None:
    run("btrfs", "subvolume", "create", place.zone / "volume")
    write_apart(place.zone / "volume" / "wanted", place.content.body)


@way("btrfs subvolume in the zone", _FAMILY, on=_BTRFS, writes=True, reason=_NO_SUBVOLUMES)
def subvolume(place: Place) -> bytes:
    _subvolume(place)
    return read_path(place.zone / "volume" / "wanted")


@way("btrfs subvolume made before", _FAMILY, on=_BTRFS, writes=True, scope=Scope.BEFORE)
def subvolume_before(place: Place) -> Steps:
    _subvolume(place)
    yield
    return read_path(place.zone / "volume" / "wanted")


@way("btrfs subvolume mounted elsewhere", _FAMILY, on=_BTRFS, writes=True, reason=_NO_SUBVOLUMES)
def subvolume_mounted(place: Place) -> bytes:
    _subvolume(place)
    point = place.elsewhere / "point"
    point.mkdir()
    name = (place.zone / "volume").relative_to(place.mount_point)
    run("mount", "-o", f"subvol=/{name}", place.device, point)
    return read_path(point / "wanted")


@way(
    "btrfs send",
    _FAMILY,
    on=_BTRFS,
    scope=Scope.NOT_PROMISED,
    reason="the kernel reads the extents for root (CAP_SYS_ADMIN) without opening a file",
)
def send(place: Place) -> bytes:
    target = place.outside / "snapshot"
    _subvolume(place)
    run("btrfs", "subvolume", "snapshot", "-r", place.zone / "volume", target)
    return output_of("btrfs", "send", "-q", target)


@way(
    "btrfs tree search, of a small file",
    _FAMILY,
    on=_BTRFS,
    scope=Scope.NOT_PROMISED,
    writes=True,
    reason="the kernel gives root (CAP_SYS_ADMIN) its trees, with small files in them",
)
def tree_search(place: Place) -> bytes:
    write_apart(place.file, place.content.body[3400:4900])
    os.sync()
    number = place.file.stat().st_ino
    whole = 2**64 - 1
    key = (0, number, number, 0, whole, 0, whole, _EXTENT_DATA, _EXTENT_DATA, 16, 0, 0, 0, 0, 0)
    request = bytearray(struct.pack("=7Q4I4Q", *key).ljust(4096, b"\0"))
    fcntl.ioctl(os.open(place.zone, os.O_RDONLY), _BTRFS_IOC_TREE_SEARCH, request)
    return bytes(request)


def _data_of(place: Place, *, direct: bool) -> Iterator[bytes]:
    """The written parts of the filesystem's image, or the same parts of its device."""
    os.sync()
    holes = os.open(place.image, os.O_RDONLY)
    size = os.fstat(holes).st_size
    source = os.open(place.device, os.O_RDONLY | os.O_DIRECT) if direct else holes
    buffer, at = mmap.mmap(-1, _CHUNK), 0
    while at < size:
        try:
            at = os.lseek(holes, at, os.SEEK_DATA) // _CHUNK * _CHUNK
        except OSError:
            return
        yield buffer[: os.preadv(source, [buffer], at)]
        at += _CHUNK


def _hunt(place: Place, *, direct: bool) -> bytes:
    return b"".join(part for part in _data_of(place, direct=direct) if place.content.shown_in(part))


@way(
    "raw read of the block device",
    _FAMILY,
    on=ON_A_DEVICE,
    scope=Scope.NOT_PROMISED,
    reason=_BENEATH,
)
def device(place: Place) -> bytes:
    return _hunt(place, direct=True)


@way(
    "raw read of the image behind the device",
    _FAMILY,
    on=ON_A_DEVICE,
    scope=Scope.NOT_PROMISED,
    reason=_BENEATH,
)
def image_behind(place: Place) -> bytes:
    return _hunt(place, direct=False)


@way("debugfs cat", _FAMILY, on=("ext4",), scope=Scope.NOT_PROMISED, reason=_BENEATH)
def debugfs(place: Place) -> bytes:
    os.sync()
    number = place.file.stat().st_ino
    return output_of("debugfs", "-D", "-R", f"cat <{number}>", place.device)


@way("in the next process after the page cache was dropped", _FAMILY)
def cold(place: Place) -> bytes:
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as switch:
        switch.write("1")
    return in_child(lambda: read_path(place.file))
