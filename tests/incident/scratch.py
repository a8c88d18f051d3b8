"""A scratch filesystem of its own for a guarded zone, made and unmade here.

Rules enforced here:

1. A guard is only ever put on a filesystem that was made for it.
2. The filesystem is unmounted again, also when the program is interrupted.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_filesystem(folder: Path, megabytes: int = 512) -> Iterator[tuple[Path, str]]:
    """Mount a new filesystem under ``folder``; give its mount point and what it is.

    An ext4 image on a loop device where mkfs.ext4 is installed, else a tmpfs.
    """
    mount_point = folder / "zone"
    mount_point.mkdir()
    kind = _mount(folder / "zone.img", mount_point, megabytes)
    try:
        yield mount_point, kind
    finally:
        unmount(mount_point)


def _mount(image: Path, mount_point: Path, megabytes: int) -> str:
    if shutil.which("mkfs.ext4"):
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        made = [
            _quiet("mkfs.ext4", "-q", "-F", "-m", "0", str(image)),
            _quiet("mount", "-o", "loop,nosuid,nodev", str(image), str(mount_point)),
        ]
        if all(made):
            return "ext4 on a loop device"
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nosuid,nodev", "lockgate"]
    subprocess.run([*command, str(mount_point)], check=True)
    return "tmpfs"


def _quiet(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unmount(mount_point: Path) -> None:
    """Unmount, lazily if something still holds it; the loop device goes with it."""
    if not _quiet("umount", str(mount_point)):
        _quiet("umount", "-l", str(mount_point))
