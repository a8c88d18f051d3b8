"""Mounts: the same filesystem at other places, seen from the same namespace."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.conformance import syscalls
from tests.conformance.way import (
    ON_A_DEVICE,
    PATIENCE_S,
    Place,
    Scope,
    Steps,
    in_child,
    output_of,
    read_path,
    run,
    way,
)

_FAMILY = "mounts"
_NO_DEVICE = "a tmpfs has no device to mount a second time"


def _point(place: Place) -> Path:
    point = place.elsewhere / "point"
    point.mkdir(exist_ok=True)
    return point


def _below(place: Place, point: Path) -> Path:
    """The wanted file where the whole filesystem is mounted at ``point``."""
    return point / place.file.relative_to(place.mount_point)


@way("bind mount of the zone", _FAMILY)
def bind(place: Place) -> bytes:
    point = _point(place)
    run("mount", "--bind", place.zone, point)
    return read_path(point / "wanted")


@way("bind mount of the one file", _FAMILY)
def bind_file(place: Place) -> bytes:
    point = place.elsewhere / "file"
    point.touch()
    run("mount", "--bind", place.file, point)
    return read_path(point)


@way("rbind mount of the filesystem", _FAMILY)
def rbind(place: Place) -> bytes:
    point = _point(place)
    run("mount", "--rbind", place.mount_point, point)
    return read_path(_below(place, point))


@way("bind mount, then remounted read-only with other flags", _FAMILY)
def bind_remounted(place: Place) -> bytes:
    point = _point(place)
    run("mount", "--bind", place.zone, point)
    run("mount", "-o", "remount,bind,ro,noexec,nosuid", point)
    return read_path(point / "wanted")


@way("bind mount made before", _FAMILY, scope=Scope.BEFORE)
def bind_before(place: Place) -> Steps:
    point = _point(place)
    run("mount", "--bind", place.zone, point)
    yield
    return read_path(point / "wanted")


@way("second mount of the device", _FAMILY, on=ON_A_DEVICE, reason=_NO_DEVICE)
def second(place: Place) -> bytes:
    point = _point(place)
    run("mount", place.device, point)
    return read_path(_below(place, point))


@way("second mount of the device, read-only", _FAMILY, on=("btrfs",), reason="one superblock")
def second_read_only(place: Place) -> bytes:
    point = _point(place)
    run("mount", "-o", "ro", place.device, point)
    return read_path(_below(place, point))


@way("second mount of the device, made before", _FAMILY, scope=Scope.BEFORE, on=ON_A_DEVICE)
def second_before(place: Place) -> Steps:
    point = _point(place)
    run("mount", place.device, point)
    yield
    return read_path(_below(place, point))


@way("open_tree(OPEN_TREE_CLONE), never attached", _FAMILY)
def detached(place: Place) -> bytes:
    tree = syscalls.open_tree(place.zone)
    with os.fdopen(os.open("wanted", os.O_RDONLY, dir_fd=tree), "rb") as source:
        return source.read()


@way("open_tree and move_mount", _FAMILY)
def attached(place: Place) -> bytes:
    point = _point(place)
    syscalls.move_mount(syscalls.open_tree(place.zone), point)
    return read_path(point / "wanted")


@way("open_tree made before, attached after", _FAMILY, scope=Scope.BEFORE)
def detached_before(place: Place) -> Steps:
    tree = syscalls.open_tree(place.zone)
    yield
    point = _point(place)
    syscalls.move_mount(tree, point)
    return read_path(point / "wanted")


@way("fsopen and fsmount, never attached", _FAMILY, on=ON_A_DEVICE, reason=_NO_DEVICE)
def filesystem_detached(place: Place) -> bytes:
    tree = syscalls.mount_detached(place.filesystem, place.device)
    name = str(place.file.relative_to(place.mount_point))
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=tree), "rb") as source:
        return source.read()


@way("idmapped mount", _FAMILY)
def idmapped(place: Place) -> bytes:
    tree = syscalls.open_tree(place.zone)
    with subprocess.Popen(["unshare", "-U", "sleep", "60"]) as process:
        try:
            _map_root(process.pid)
            syscalls.map_ids(tree, os.open(f"/proc/{process.pid}/ns/user", os.O_RDONLY))
        finally:
            process.kill()
    with os.fdopen(os.open("wanted", os.O_RDONLY, dir_fd=tree), "rb") as source:
        return source.read()


def _map_root(pid: int) -> None:
    """Wait until the process has its namespace, and map its root to ours, others shifted."""
    end = time.monotonic() + PATIENCE_S
    ours = Path("/proc/self/ns/user").readlink()
    while Path(f"/proc/{pid}/ns/user").readlink() == ours and time.monotonic() < end:
        time.sleep(0.005)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text("0 0 65536\n")


@way("mount moved elsewhere", _FAMILY)
def moved(place: Place) -> bytes:
    first, then = _point(place), place.elsewhere / "then"
    then.mkdir()

    def move() -> bytes:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        run("mount", "--bind", place.zone, first)
        run("mount", "--move", first, then)
        return read_path(then / "wanted")

    return in_child(move)


@way("shared mount that propagates", _FAMILY)
def shared(place: Place) -> bytes:
    one, two = _point(place), place.elsewhere / "two"
    two.mkdir()
    run("mount", "--bind", one, one)
    run("mount", "--make-shared", one)
    run("mount", "--bind", one, two)
    (one / "below").mkdir()
    run("mount", "--bind", place.zone, one / "below")
    return output_of("cat", two / "below" / "wanted")
