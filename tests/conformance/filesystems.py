"""Scratch filesystems: made, mounted and unmade here.

Rules enforced here:

1. A guard is only ever put on a filesystem that was made for it.
2. Whatever an attempt mounted is unmounted after it, and everything at the end.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.contents import Content, clean
from tests.conformance.way import Place

_IMAGE_BYTES = 384 << 20  # the least that mkfs.xfs takes is 300 MiB
_MAKERS = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-m", "0"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(slots=True)
class Ground:
    """One mounted scratch filesystem; ``device`` and ``image`` are empty for a tmpfs."""

    filesystem: str
    mount_point: Path
    device: str
    image: str
    scratch: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def zone(self) -> Path:
        """The folder that is guarded."""
        return self.mount_point / "zone"

    def place(self, content: Content, *, ends_with_read: bool = True) -> Place:
        """New folders for one attempt."""
        name = f"{next(self._numbers):05}"
        folders = (self.zone / name, self.mount_point / "outside" / name, self.scratch / name)
        for folder in folders:
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        where = (self.filesystem, self.mount_point, self.device, self.image, *folders)
        return Place(*where, content, clean(), ends_with_read)


def clear(place: Place) -> None:
    """Unmount what an attempt left, and remove its folders."""
    unmount_below(place.elsewhere)
    unmount_below(place.outside)
    for folder in (place.elsewhere, place.outside, place.zone):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mounted(filesystem: str, scratch: Path) -> Iterator[Ground]:
    """A new filesystem mounted below the empty folder ``scratch``."""
    mount_point = scratch / "mounted"
    mount_point.mkdir(parents=True)
    (scratch / "elsewhere").mkdir()
    scratch.chmod(0o755)
    device, image = "", ""
    if filesystem == "tmpfs":
        _run("mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "lockgate", str(mount_point))
    else:
        image = str(scratch / "image")
        device = _attach(filesystem, Path(image))
    try:
        if device:
            _run("mount", device, str(mount_point))
        ground = Ground(filesystem, mount_point, device, image, scratch / "elsewhere")
        for folder in (ground.zone, mount_point / "outside"):
            folder.mkdir()
        yield ground
    finally:
        unmount_below(scratch)
        if device:
            subprocess.run(["losetup", "-d", device], check=False)
            Path(image).unlink()


def unmount_below(folder: Path) -> None:
    """Unmount everything at and below ``folder``, the newest first, lazily if it is in use."""
    for point in reversed(_mount_points()):
        if point.is_relative_to(folder):
            subprocess.run(["umount", "-l", str(point)], stderr=subprocess.DEVNULL, check=False)


def detach_loops(text: str) -> None:
    """Detach the loop devices over files whose path holds ``text``."""
    listed = subprocess.run(
        ["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        device, _, behind = line.partition(" ")
        if text in behind:
            with suppress(OSError):
                subprocess.run(["losetup", "-d", device], stderr=subprocess.DEVNULL, check=False)


def _attach(filesystem: str, image: Path) -> str:
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    _run(*_MAKERS[filesystem], str(image))
    return _run("losetup", "--find", "--show", str(image)).strip()


def _mount_points() -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return [Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split()[4])) for line in lines]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
