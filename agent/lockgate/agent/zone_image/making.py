"""Making a folder a filesystem of its own, in an image file, without a reboot.

Rules enforced here:

1. The old content stays until its copy was read back, compared and is on disk; what was written
   in the last moment is carried over.
2. What fails is undone before the error is told.
3. The image is allocated whole, and no discard makes holes in it again: a full disk
   elsewhere cannot make writes into the zone fail.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from lockgate.agent.durable import sync_directory
from lockgate.agent.zone_image import checks, fstab, mounting, tools
from lockgate.agent.zone_image.checks import Filesystem, ZoneImageError
from lockgate.agent.zone_image.record import Records, Step, ZoneImage
from lockgate.agent.zone_image.undoing import undo
from lockgate.scan.names import escape_name

#: fstrim(8) would punch holes into the image; a missing image must not stop the start.
_ENTRY_OPTIONS = (*mounting.OPTIONS, "nofail", "X-fstrim.notrim")
_MAKE = {
    Filesystem.EXT4: ("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard"),
    Filesystem.XFS: ("mkfs.xfs", "-q", "-K"),
    Filesystem.BTRFS: ("mkfs.btrfs", "-q", "-K"),
}


def create(records: Records, zone: ZoneImage, *, keep_old: bool = False) -> ZoneImage:
    """Make the folder of ``zone`` a filesystem of its own.

    ``keep_old``: leave the old content where it is, hidden below the mount.

    Raises:
        ZoneImageError: it cannot be; everything is as it was.
        ToolError, OSError: a program or the kernel refused; everything is as it was.
    """
    _check(records, zone)
    records.keep(zone, Step.BEGUN)
    old = os.open(zone.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            _fill(records, zone)
            _switch(records, zone, old)
        except BaseException:
            undo(records, zone.path)
            raise
        done = records.keep(zone, Step.DONE)
        if not keep_old:
            _empty(old)
    finally:
        os.close(old)
    return done


def _check(records: Records, zone: ZoneImage) -> None:
    checks.check_folder(zone.path, [records.folder, zone.image, zone.fstab])
    checks.check_tools(zone.kind)
    if records.find(zone.path):
        shown = escape_name(str(zone.path))
        raise ZoneImageError(f"{shown}: an attempt was cut short; run `zone undo` first")
    records.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not zone.image.parent.is_dir():
        raise ZoneImageError(f"{zone.image.parent}: there is no such directory; make it first")
    if os.path.lexists(zone.image):
        raise ZoneImageError(f"{zone.image}: exists; name another --image")
    checks.check_unused(zone.path)
    checks.check_size(zone.path, zone.image, zone.size, zone.kind)


def _fill(records: Records, zone: ZoneImage) -> None:
    """Make the image and copy the content into it."""
    _allocate(zone.image, zone.size)
    tools.run(*_MAKE[zone.kind], zone.image)
    with mounting.aside(zone, records.inside(zone)) as inside:
        tools.copy_tree(zone.path, inside)
        checks.check_unused(zone.path)
        records.keep(zone, Step.COPIED)
        mounting.copied(zone.path, inside, "--delete")
    sync_directory(zone.image.parent)


def _switch(records: Records, zone: ZoneImage, old: int) -> None:
    """Mount the image over the folder; ``old``: the folder below, still open."""
    checks.check_unused(zone.path)
    records.keep(zone, Step.SWITCHED)
    entry = fstab.Entry(zone.key, zone.image, zone.path, zone.kind.value, _ENTRY_OPTIONS)
    fstab.replace(zone.fstab, fstab.with_entry(fstab.read(zone.fstab), entry))
    tools.run("mount", "-T", zone.fstab, zone.path)
    mounting.reload(zone.fstab)
    # What was written between the comparison and the mount.
    tools.copy_tree(Path(f"/proc/self/fd/{old}"), zone.path, "--update", pass_fds=(old,))
    tools.run("sync", "-f", zone.path)


def _allocate(image: Path, size: int) -> None:
    fd = os.open(image, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def _empty(directory: int) -> None:
    """Remove everything in an open directory, whose path is mounted over."""
    for name in os.listdir(directory):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)
