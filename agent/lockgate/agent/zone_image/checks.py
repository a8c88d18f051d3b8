"""Whether a folder can become a filesystem of its own, and what to do where it cannot.

Rules enforced here: every refusal comes before anything is changed, and says what to do.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lockgate.agent.zone_image import tools
from lockgate.scan.names import escape_name
from lockgate.scan.words import Word

_SYSTEM = frozenset(
    Path(p)
    for p in (
        *("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run"),
        *("/sbin", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/tmp"),  # noqa: S108
    )
)
#: What must stay free beside an image.
_MARGIN_BYTES = 64 << 20
_SHOWN = 5


class Filesystem(Word):
    """What an image can be made to hold."""

    EXT4 = "ext4", "The usual filesystem of Linux."
    XFS = "xfs", "For large files; at least 300 MiB."
    BTRFS = "btrfs", "With checksums of what it holds; at least 128 MiB."


_SMALLEST = {
    Filesystem.EXT4: 16 << 20,
    Filesystem.XFS: 300 << 20,
    Filesystem.BTRFS: 128 << 20,
}
_PACKAGE = {
    Filesystem.EXT4: "e2fsprogs",
    Filesystem.XFS: "xfsprogs",
    Filesystem.BTRFS: "btrfs-progs",
}


class ZoneImageError(Exception):
    """A zone's filesystem that cannot be made or undone; the text says why and what to do."""


def check_root() -> None:
    """Refuse anybody else.

    Raises:
        ZoneImageError: this is not root.
    """
    if os.geteuid() != 0:
        raise ZoneImageError("making and mounting a filesystem needs root; run as root")


def check_folder(path: Path, ours: Iterable[Path]) -> None:
    """Refuse what must not become a mount. ``ours``: paths the agent needs.

    Raises:
        ZoneImageError: the folder cannot become a filesystem of its own.
    """
    check_root()
    shown = escape_name(str(path))
    if not path.is_dir():
        raise ZoneImageError(f"{shown}: there is no such directory; make it first")
    if path in _SYSTEM:
        raise ZoneImageError(f"{shown}: the system needs this folder; choose one below it")
    for need in ours:
        if need.resolve().is_relative_to(path):
            raise ZoneImageError(f"{shown}: holds {need}, which the agent needs; choose another")
    below = [point for point, _ in tools.mounts() if point.is_relative_to(path)]
    if path in below:
        raise ZoneImageError(f"{shown}: is a mount already; guard it as it is")
    if below:
        raise ZoneImageError(f"{shown}: {below[0]} is mounted below it; unmount that first")


def check_unused(path: Path) -> None:
    """Refuse a folder that processes use.

    Raises:
        ZoneImageError: it is used; the text says by which.
    """
    users = sorted(set(users_of(path)))
    if users:
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        raise ZoneImageError(
            f"{escape_name(str(path))}: in use by {', '.join(users[:_SHOWN])}{more}; "
            "stop them and try again"
        )


def check_tools(kind: Filesystem) -> None:
    """Refuse when a program is missing.

    Raises:
        ZoneImageError: with the package to install.
    """
    needed = {f"mkfs.{kind.value}": _PACKAGE[kind], "rsync": "rsync", "losetup": "mount"}
    for program, package in needed.items():
        if shutil.which(program) is None:
            raise ZoneImageError(f"{program} is missing; install the package {package}")


def check_size(path: Path, image: Path, size: int, kind: Filesystem) -> None:
    """Refuse a size that is too small for the content, or too large for the disk.

    Raises:
        ZoneImageError: with the numbers.
    """
    needed = used_below(path) * 11 // 10 + _SMALLEST[kind]
    if size < needed:
        raise ZoneImageError(
            f"{size >> 20} MiB are too small; {kind.value} and what is in the folder need "
            f"{(needed >> 20) + 1} MiB"
        )
    room = os.statvfs(image.parent)
    free = room.f_bavail * room.f_frsize
    if size + _MARGIN_BYTES > free:
        raise ZoneImageError(
            f"{image.parent}: {free >> 20} MiB are free, {(size + _MARGIN_BYTES) >> 20} MiB are "
            "needed; choose a smaller --size or another --image"
        )


def used_below(path: Path) -> int:
    """Bytes on disk of everything below a folder."""
    seen: dict[tuple[int, int], int] = {}
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            with suppress(OSError):
                status = Path(parent, name).lstat()
                seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def users_of(path: Path) -> Iterator[str]:
    """Processes with an open file, a mapping, or their place below ``path``."""
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with suppress(OSError):
                if any(Path(used).is_relative_to(path) for used in _used_by(process)):
                    name = (process / "comm").read_text("utf-8", "replace").strip()
                    yield f"{escape_name(name)} (pid {process.name})"


def _used_by(process: Path) -> Iterator[str]:
    for link in (process / "cwd", process / "root", process / "exe", *(process / "fd").iterdir()):
        with suppress(OSError):
            yield os.readlink(link)  # noqa: PTH115 - keeps every byte of the name
    with (process / "maps").open(encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(maxsplit=5)
            if len(fields) == 6:
                yield fields[5]
