"""Whether a directory can be guarded, and the descriptor that pins it.

Rules enforced here:

1. A zone is a directory on a filesystem that holds nothing of ours: an agent that opens a
   file of its own guarded filesystem waits for itself. Filesystems are told apart by their
   superblock, because the subvolumes of one btrfs have devices of their own.
2. The filesystem must give permission events and leases, and let a file be moved away; else
   the answer is a reason and what to do, never silence.
3. The pinned directory keeps the filesystem alive, so that an unmount and a new mount cannot
   take the mark away unseen. The holder has the pin as well.
4. A filesystem belongs to one zone of one agent. What a holder still pins and no setting
   names stays guarded, under the strictest zone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lockgate.agent.config import AgentSettings, ZoneSettings
from lockgate.agent.guard import fanotify, processes
from lockgate.wire.transfer import Zone

_OCTAL = re.compile(r"\\([0-7]{3})")
_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)
_SYSTEM_PATHS = ("/", "/usr", "/etc", "/bin", "/lib", "/proc", "/sys", "/dev", "/run", "/tmp")  # noqa: S108
_NETWORK = (
    "9p afs beegfs ceph cifs coda gfs2 glusterfs lustre nfs nfs4 ocfs2 orangefs smb3 smbfs "
    "vboxsf virtiofs"
)
_STACKED = "aufs ecryptfs overlay unionfs"
_SERVED = "fuse fuseblk"
_PSEUDO = (
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl "
    "hugetlbfs mqueue nsfs proc pstore rpc_pipefs securityfs sysfs tracefs"
)
#: Why filesystems of a type are refused, by type.
_REASONS: dict[str, str] = {
    kind: reason
    for kinds, reason in (
        (_NETWORK, "is a network filesystem, which other hosts change unseen; guard its server"),
        (_STACKED, "only shows files of other filesystems; guard the one that lies beneath"),
        (_SERVED, "is served by a program (FUSE), which may wait for us; guard what it serves"),
        (_PSEUDO, "holds no files, but the kernel's own state; it cannot be a zone"),
    )
    for kind in kinds.split()
}


class ZoneError(Exception):
    """A directory that cannot be guarded, with the reason for a person."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a filesystem is mounted, its type, and the device of its superblock."""

    point: Path
    kind: str
    superblock: int


@dataclass(frozen=True, slots=True)
class GuardedZone:
    """A zone's directory, held by an O_PATH descriptor, and where its filesystem is mounted.

    ``device`` is the st_dev of the directory, ``superblock`` the device that marks go by.
    ``left_over``: no setting names it, only an earlier guard's pin.
    """

    zone: Zone
    path: str
    mount_point: str
    directory: int
    device: int
    superblock: int
    kind: str
    left_over: bool = False

    def close(self) -> None:
        """Unpin the filesystem."""
        os.close(self.directory)


def open_zones(settings: AgentSettings) -> tuple[GuardedZone, ...]:
    """Pin all zones of an agent after all checks.

    Raises:
        ZoneError: one cannot be guarded; nothing stays pinned.
    """
    own = own_paths(settings)
    opened: list[GuardedZone] = []
    try:
        for wanted in settings.zones:
            zone = open_zone(wanted.zone, wanted.path, own)
            opened.append(zone)
        _check_apart(opened, settings.zones)
        _check_unguarded(opened, settings.run_dir)
    except BaseException:
        for zone in opened:
            zone.close()
        raise
    return tuple(opened)


def open_zone(zone: Zone, path: Path, own_paths: Iterable[Path]) -> GuardedZone:
    """Pin ``path`` after the checks that concern it alone.

    ``own_paths``: files and folders that the agent opens while it guards.

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
        pinned = _described(zone, directory)
        _check(pinned, own_paths)
    except BaseException:
        os.close(directory)
        raise
    return pinned


def left_over(zones: Sequence[GuardedZone], pins: Iterable[int]) -> tuple[GuardedZone, ...]:
    """Zones for what a holder pins beyond ``zones``; other descriptors are closed.

    A filesystem that was unmounted lazily, or whose zone is no longer set, is still within
    reach of processes; it is guarded under the strictest zone until the guard is taken off.
    """
    found: list[GuardedZone] = []
    for pin in pins:
        known = {zone.superblock for zone in (*zones, *found)}
        other = _described(strictest(zones), pin)
        if other.superblock in known:
            other.close()
        else:
            found.append(replace(other, left_over=True))
    return tuple(found)


def strictest(zones: Sequence[GuardedZone]) -> Zone:
    """The zone whose rules count for what belongs to none: one that signs, else the first."""
    return max((guarded.zone for guarded in zones), key=lambda zone: zone.signing)


def unmarked(zones: Iterable[GuardedZone], group: int) -> tuple[GuardedZone, ...]:
    """The zones whose filesystem ``group`` is not asked about."""
    marked = fanotify.marked(group)
    return tuple(zone for zone in zones if zone.superblock not in marked)


def is_elsewhere(zone: GuardedZone) -> bool:
    """Whether the zone's path leads to another filesystem than the pinned one.

    An unmount with ``umount -l`` and whatever is mounted there afterwards shows here.
    """
    if zone.left_over:
        return False
    try:
        directory = os.open(zone.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # there is nothing that could be read
        return False
    try:
        return os.fstat(directory).st_dev != zone.device
    finally:
        os.close(directory)


def own_paths(settings: AgentSettings) -> list[Path]:
    """What the agent's settings have it open while it guards."""
    optional = [settings.intake.store, *(zone.salt_file for zone in settings.zones)]
    return [
        settings.state_dir,
        settings.run_dir,
        *settings.policy_files,
        *settings.scan.registry_files,
        *(file for zone in settings.zones for file in zone.policy_files),
        *(path for path in optional if path is not None),
    ]


# -- checks ----------------------------------------------------------------------------------


def _check(zone: GuardedZone, own_paths: Iterable[Path]) -> None:
    for own in (*_needed_paths(), *own_paths):
        if _superblock_of(own) == zone.superblock:
            raise ZoneError(
                f"{zone.path}: its filesystem also holds {own}, which the agent or the system "
                "needs; give the zone a filesystem of its own"
            )
    if reason := _REASONS.get(zone.kind):
        raise ZoneError(f"{zone.path}: {zone.kind} {reason}")
    if os.fstatvfs(zone.directory).f_flag & os.ST_RDONLY:
        raise ZoneError(
            f"{zone.path}: it is mounted read-only, so that a file with a protected key could "
            "not be moved away; mount it writable, or choose the audit or monitor mode"
        )
    if not fanotify.permission_events_work():
        raise ZoneError(
            f"{zone.path}: no permission events here (kernel without "
            "CONFIG_FANOTIFY_ACCESS_PERMISSIONS, or not root); choose the monitor mode"
        )


def _check_apart(zones: Sequence[GuardedZone], settings: Sequence[ZoneSettings]) -> None:
    """Two zones on one filesystem are one zone; they must not ask for different things."""
    first: dict[int, ZoneSettings] = {}
    for zone, wanted in zip(zones, settings, strict=True):
        other = first.setdefault(zone.superblock, wanted)
        if replace(other, path=wanted.path, name=zone.zone.name) != replace(
            wanted, name=zone.zone.name
        ):
            raise ZoneError(
                f"{wanted.path} and {other.path} are on one filesystem and have different "
                "settings; a rename moves files between them unseen: give each its own "
                "filesystem, or name one of them"
            )


def _check_unguarded(zones: Sequence[GuardedZone], run_dir: Path) -> None:
    """No other agent's holder marks the filesystem: two agents would wait for each other."""
    for pid, folder in processes.holders():
        if folder == run_dir:
            continue
        for zone in zones:
            if any(zone.superblock in marks for marks in fanotify.groups_of(pid).values()):
                raise ZoneError(
                    f"{zone.path}: the agent of {folder} guards its filesystem already (holder "
                    f"{pid}); name both zones in one agent, or `lockgate agent disarm --run-dir "
                    f"{folder}`"
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


# -- mounts ----------------------------------------------------------------------------------


def mount_of(directory: int) -> Mount:
    """The mount of an open file or directory (proc_pid_mountinfo(5)).

    Raises:
        ZoneError: it is not mounted in this mount namespace.
    """
    text = Path(f"/proc/self/fdinfo/{directory}").read_text("ascii")
    wanted = _MOUNT_ID.search(text)
    mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    for number, mount in parse_mounts(mounts):
        if wanted and number == int(wanted[1]):
            return mount
    raise ZoneError("its filesystem is not mounted here")


def parse_mounts(text: str) -> Iterator[tuple[int, Mount]]:
    """The mounts of a mountinfo file, by their number."""
    for line in text.splitlines():
        fields = line.split(" ")
        major, _, minor = fields[2].partition(":")
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        kind = fields[fields.index("-", 6) + 1].partition(".")[0]
        yield int(fields[0]), Mount(point, kind, os.makedev(int(major), int(minor)))


def _described(zone: Zone, directory: int) -> GuardedZone:
    path = os.readlink(f"/proc/self/fd/{directory}")  # noqa: PTH115 - keeps every byte
    device = os.fstat(directory).st_dev
    try:
        mount = mount_of(directory)
    except ZoneError:
        # A lazy unmount leaves no line of it. Only btrfs has other devices for its files.
        mount = Mount(Path(path), "", device)
    return GuardedZone(
        zone, path, str(mount.point), directory, device, mount.superblock, mount.kind
    )


def _superblock_of(path: Path) -> int | None:
    """The superblock of a path, or of the nearest folder above that exists."""
    for candidate in (path, *path.absolute().parents):
        try:
            fd = os.open(candidate, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            return mount_of(fd).superblock
        except ZoneError:
            return os.fstat(fd).st_dev
        finally:
            os.close(fd)
    return None
