"""Whether a directory can be guarded, and the descriptor that pins it.

Rules enforced here:

1. A zone is a directory on a filesystem that holds nothing of ours: an agent that opens a
   file of its own guarded filesystem waits for itself.
2. The filesystem must give permission events and leases; else the answer is a reason and the
   name of the lesser mode, never silence.
3. The pinned directory keeps the filesystem mounted while the agent lives, so that an
   unmount and a new mount cannot take the mark away unseen.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lockgate.agent.guard import fanotify
from lockgate.wire.transfer import Zone

_OCTAL = re.compile(r"\\([0-7]{3})")
_SYSTEM_PATHS = ("/", "/usr", "/etc", "/bin", "/lib", "/proc", "/sys", "/dev", "/run", "/tmp")  # noqa: S108
_NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "glusterfs"})
_UNFIT_TYPES = frozenset({"proc", "sysfs", "devtmpfs", "cgroup", "cgroup2", "overlay", "fuse"})


class ZoneError(Exception):
    """A directory that cannot be guarded, with the reason for a person."""


@dataclass(frozen=True, slots=True)
class GuardedZone:
    """A zone's directory, held by an O_PATH descriptor, and where its filesystem is mounted."""

    zone: Zone
    path: str
    mount_point: str
    directory: int
    device: int

    def close(self) -> None:
        """Unpin the filesystem."""
        os.close(self.directory)


def open_zone(zone: Zone, path: Path, own_paths: Iterable[Path]) -> GuardedZone:
    """Pin ``path`` after all checks. ``own_paths``: state, run, spool and log folders.

    Raises:
        ZoneError: it cannot be guarded; the text says why and what to do.
    """
    try:
        directory = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ZoneError(f"{path}: there is no such directory") from None
    except OSError as error:
        raise ZoneError(f"{path}: not a directory that can be guarded: {error.strerror}") from None
    try:
        device = os.fstat(directory).st_dev
        _check(path.resolve(), device, own_paths)
    except BaseException:
        os.close(directory)
        raise
    real = path.resolve()
    return GuardedZone(zone, str(real), str(mount_of(real)[0]), directory, device)


def _check(path: Path, device: int, own_paths: Iterable[Path]) -> None:
    for own in (*_needed_paths(), *own_paths):
        if _device_of(own) == device:
            raise ZoneError(
                f"{path}: its filesystem also holds {own}, which the agent or the system needs; "
                "give the zone a filesystem of its own"
            )
    kind = mount_of(path)[1]
    if kind in _NETWORK_TYPES:
        raise ZoneError(f"{path}: {kind} is a network filesystem; guard it on its server")
    if kind in _UNFIT_TYPES:
        raise ZoneError(f"{path}: {kind} gives no dependable events; guard what lies beneath it")
    if not fanotify.permission_events_work():
        raise ZoneError(
            f"{path}: no permission events here (kernel without "
            "CONFIG_FANOTIFY_ACCESS_PERMISSIONS, or not root); choose the monitor mode"
        )


def _needed_paths() -> Iterable[Path]:
    """What the agent must be able to open while it answers."""
    yield from (Path(p) for p in _SYSTEM_PATHS)
    yield from (Path(p) for p in (sys.prefix, sys.base_prefix, *sys.path) if p)
    yield Path(sys.executable)
    yield from _swap_files()


def _swap_files() -> Iterable[Path]:
    """Files the kernel swaps to (proc_swaps(5)): waiting for their pages must not wait for us."""
    try:
        lines = Path("/proc/swaps").read_text("utf-8", "surrogateescape").splitlines()[1:]
    except OSError:
        return
    yield from (Path(line.split()[0]) for line in lines if " file " in line.replace("\t", " "))


def _device_of(path: Path) -> int | None:
    for candidate in (path, *path.absolute().parents):
        try:
            return candidate.stat().st_dev
        except OSError:
            continue
    return None


def mount_of(path: Path) -> tuple[Path, str]:
    """Mount point and filesystem type at ``path`` (proc_pid_mountinfo(5))."""
    best, kind = Path("/"), ""
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split()
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, fields[fields.index("-") + 1].partition(".")[0]
    return best, kind
