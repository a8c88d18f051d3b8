"""A disk whose power can be cut: an ext4 image on a loop device.

A cut is simulated by stopping the writer, copying the image while it is still mounted, and
mounting the copy. What the filesystem had not written to its device is not in the copy: this is
what kill -9 alone never shows, because the page cache survives a process.

Rules enforced here: whatever was mounted is unmounted again.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def _mounted(image: Path, mount_point: Path) -> Iterator[Path]:
    mount_point.mkdir()
    _run("mount", "-o", "loop", str(image), str(mount_point))
    try:
        yield mount_point
    finally:
        if subprocess.run(["umount", str(mount_point)], check=False).returncode:
            _run("umount", "-l", str(mount_point))


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted disk; ``path`` is its root."""

    image: Path
    path: Path

    @contextmanager
    def after_power_cut(self, name: str) -> Iterator[Path]:
        """What a machine would find on this disk if power went now; recovered and mounted.

        The writer must be stopped by the caller, so that the copy is of one moment.
        """
        copy = self.image.with_name(f"{name}.img")
        shutil.copyfile(self.image, copy)
        with _mounted(copy, self.image.with_name(name)) as path:
            yield path


@contextmanager
def power_disk(folder: Path, megabytes: int = 96) -> Iterator[Disk]:
    """A new, empty disk. Periodic write-back is put off, so that only fsync makes durable."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    with _mounted(image, folder / "disk") as path:
        _run("mount", "-o", "remount,commit=300", str(path))
        yield Disk(image, path)
