"""Filesystems above filesystems: overlayfs and FUSE."""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from pathlib import Path

from tests.conformance.way import Place, Scope, Steps, open_patiently, read_path, run, way
from tests.conformance.ways.races import begin, written_beside

_FAMILY = "overlays"
_PATIENCE_S = 10.0
_SIZE = 1 << 16


def _folders(place: Place, upper_on: Path) -> tuple[Path, Path, Path, Path]:
    """An empty lower, an upper and a work folder on ``upper_on``, and a mount point."""
    names = (
        place.elsewhere / "lower",
        upper_on / "upper",
        upper_on / "work",
        place.elsewhere / "merged",
    )
    for folder in names:
        folder.mkdir(exist_ok=True)
    return names


def _overlay(lower: Path, upper: Path, work: Path, merged: Path) -> None:
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "overlay", "-o", options, merged)


def _memory(place: Place) -> Path:
    """A tmpfs of its own for upper folders, which not every filesystem can hold."""
    point = place.elsewhere / "memory"
    point.mkdir()
    run("mount", "-t", "tmpfs", "lockgate", point)
    return point


@way("overlay with the zone as lower folder", _FAMILY)
def lower(place: Place) -> bytes:
    _, upper, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper, work, merged)
    return read_path(merged / "wanted")


@way("overlay with the zone as lower folder, mounted before", _FAMILY, scope=Scope.BEFORE)
def lower_before(place: Place) -> Steps:
    _, upper, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper, work, merged)
    yield
    return read_path(merged / "wanted")


@way("overlay, copied up by an open to write", _FAMILY)
def copied_up(place: Place) -> bytes:
    _, upper, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper, work, merged)
    with open(merged / "wanted", "ab"):
        pass
    return read_path(upper / "wanted")


@way("overlay, copied up by chmod", _FAMILY)
def copied_up_by_chmod(place: Place) -> bytes:
    _, upper, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper, work, merged)
    (merged / "wanted").chmod(0o600)
    return read_path(merged / "wanted")


@way("overlay with the zone as upper folder", _FAMILY)
def upper(place: Place) -> bytes:
    below, _, _, merged = _folders(place, place.elsewhere)
    work = place.outside / "work"
    work.mkdir()
    _overlay(below, place.zone, work, merged)
    return read_path(merged / "wanted")


@way("overlay over an overlay", _FAMILY)
def stacked(place: Place) -> bytes:
    memory = _memory(place)
    _, first, work, merged = _folders(place, memory)
    _overlay(place.zone, first, work, merged)
    second = place.elsewhere / "second"
    for folder in (second, memory / "upper2", memory / "work2"):
        folder.mkdir()
    _overlay(merged, memory / "upper2", memory / "work2", second)
    return read_path(second / "wanted")


@way("overlay, mapped through the merged folder", _FAMILY)
def mapped(place: Place) -> bytes:
    _, upper_folder, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper_folder, work, merged)
    fd = os.open(merged / "wanted", os.O_RDONLY)
    return mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)[:]


@way("reader through an overlay, let in while clean", _FAMILY, scope=Scope.RACE, writes=True)
def old_reader(place: Place) -> bytes:
    """The descriptor of the reader is one of another filesystem."""
    begin(place)
    _, upper_folder, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper_folder, work, merged)
    fd = open_patiently(merged / "wanted", os.O_RDONLY)
    return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))


@way("mapping through an overlay, made while clean", _FAMILY, scope=Scope.RACE, writes=True)
def old_mapping(place: Place) -> bytes:
    begin(place)
    _, upper_folder, work, merged = _folders(place, _memory(place))
    _overlay(place.zone, upper_folder, work, merged)
    fd = open_patiently(merged / "wanted", os.O_RDONLY)
    mapping = mmap.mmap(fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    os.close(fd)
    return written_beside(place, lambda: mapping[:], mapping.close)


def _wait_for_mount(point: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not os.path.ismount(point):
        if time.monotonic() > end:
            raise TimeoutError(f"{point} was not mounted")
        time.sleep(0.01)


def _through_fuse(place: Place, *command: str | Path) -> bytes:
    point = place.elsewhere / "fuse"
    point.mkdir()
    with subprocess.Popen([str(word) for word in (*command, point)]) as server:
        try:
            _wait_for_mount(point)
            return read_path(point / "wanted")
        finally:
            run("umount", "-l", point)
            server.kill()


@way("bindfs (FUSE)", _FAMILY)
def bindfs(place: Place) -> bytes:
    return _through_fuse(place, "bindfs", "-f", place.zone)


@way("bindfs (FUSE), mounted before", _FAMILY, scope=Scope.BEFORE)
def bindfs_before(place: Place) -> Steps:
    point = place.elsewhere / "fuse"
    point.mkdir()
    with subprocess.Popen(["bindfs", "-f", place.zone, point]) as server:
        try:
            _wait_for_mount(point)
            yield
            return read_path(point / "wanted")
        finally:
            run("umount", "-l", point)
            server.kill()


@way("reader through bindfs (FUSE), let in while clean", _FAMILY, scope=Scope.RACE, writes=True)
def bindfs_reader(place: Place) -> bytes:
    begin(place)
    point = place.elsewhere / "fuse"
    point.mkdir()
    with subprocess.Popen(["bindfs", "-f", place.zone, point]) as server:
        try:
            _wait_for_mount(point)
            fd = open_patiently(point / "wanted", os.O_RDONLY)
            return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))
        finally:
            run("umount", "-l", point)
            server.kill()


@way("fuse-overlayfs", _FAMILY)
def fuse_overlayfs(place: Place) -> bytes:
    _, upper_folder, work, _ = _folders(place, place.elsewhere)
    options = f"lowerdir={place.zone},upperdir={upper_folder},workdir={work}"
    return _through_fuse(place, "fuse-overlayfs", "-f", "-o", options)
