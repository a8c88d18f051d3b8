"""Mounting an image aside, over its folder, and looking below it.

Rules enforced here: what is mounted for a while is unmounted whatever happens, and a mount left
by one that was killed is found again by its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lockgate.agent.zone_image import checks, tools
from lockgate.agent.zone_image.checks import ZoneImageError
from lockgate.agent.zone_image.record import ZoneImage
from lockgate.agent.zone_image.tools import ToolError
from lockgate.scan.names import escape_name

DEFAULT_FSTAB = Path("/etc/fstab")
OPTIONS = ("loop", "nosuid", "nodev")


def is_mounted(zone: ZoneImage) -> bool:
    """Whether the image is what is mounted on the folder."""
    source = tools.mounted_at(zone.path)
    return bool(source) and source in {*tools.loops_of(zone.image), str(zone.image)}


@contextmanager
def aside(zone: ZoneImage, point: Path, *options: str) -> Iterator[Path]:
    """The image, mounted at ``point``."""
    point.mkdir(mode=0o700, exist_ok=True)
    chosen = ",".join((*OPTIONS, *options))
    tools.run("mount", "-t", zone.kind.value, "-o", chosen, zone.image, point)
    try:
        yield point
    finally:
        unmount(point)


@contextmanager
def beneath(zone: ZoneImage, point: Path) -> Iterator[Path]:
    """The folder below the mount, by way of ``point``."""
    point.mkdir(mode=0o700, exist_ok=True)
    tools.run("mount", "--bind", "--make-private", zone.path.parent, point)
    try:
        yield point / zone.path.name
    finally:
        unmount(point)


@contextmanager
def read_only(zone: ZoneImage) -> Iterator[None]:
    """Nobody writes into the zone from now on; after a failure they may again."""
    try:
        tools.run("mount", "-o", "remount,ro", zone.path)
    except ToolError:
        checks.check_unused(zone.path)
        raise
    try:
        yield
    except BaseException:
        tools.run("mount", "-o", "remount,rw", zone.path)
        raise


def unmount(point: Path) -> None:
    """Unmount whatever is mounted there, and remove the mount point."""
    while tools.mounted_at(point):
        tools.run("umount", point)
    with suppress(FileNotFoundError):
        point.rmdir()


def copied(source: Path, target: Path, *options: str) -> None:
    """Copy a tree, read both again and compare, and have the copy on disk.

    Raises:
        ZoneImageError: somebody writes there.
        ToolError: it could not be copied whole.
    """
    tools.copy_tree(source, target, *options)
    if differing := tools.differences(source, target, *options):
        raise ZoneImageError(
            f"{len(differing)} files differ after the copy, as {escape_name(differing[0])}; "
            "something writes there: stop it and try again"
        )
    tools.run("sync", "-f", target)


def reload(fstab: Path) -> None:
    """Have systemd read the table again, where it runs."""
    if fstab == DEFAULT_FSTAB and Path("/run/systemd/system").exists():
        with suppress(ToolError):  # it reads the table at the next start in any case
            tools.run("systemctl", "daemon-reload")
