"""What may be a zone, what may not, and why."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lockgate.agent.config import AgentSettings, ScanSettings, ZoneSettings
from lockgate.agent.guard import fanotify, zones
from lockgate.agent.guard.zones import (
    ZoneError,
    is_elsewhere,
    left_over,
    mount_of,
    open_zone,
    open_zones,
    parse_mounts,
    strictest,
)
from lockgate.wire.transfer import Zone

from .conftest import GuardProcess, descriptors

ZONE = Zone("test")
Mounted = Callable[..., Path]


@pytest.fixture
def mounted() -> Iterator[Mounted]:
    """Mounts ``mount(8)`` arguments at a new folder, and unmounts in the end."""
    with ExitStack() as stack:

        def mount(*arguments: str | Path, program: str = "mount") -> Path:
            point = Path(tempfile.mkdtemp(prefix="lockgate-b-"))
            stack.callback(point.rmdir)
            subprocess.run([program, *map(str, arguments), str(point)], check=True)
            stack.callback(subprocess.run, ["umount", "-l", point], check=False)
            return point

        yield mount


def _tmpfs(mounted: Mounted, *more: str) -> Path:
    return mounted("-t", "tmpfs", *more, "lockgate-b")


def _refusal(path: Path) -> str:
    with pytest.raises(ZoneError) as caught:
        open_zone(ZONE, path, [])
    return str(caught.value)


def _settings(tmp_path: Path, *wanted: ZoneSettings, **more: object) -> AgentSettings:
    folders = {"state_dir": tmp_path / "state", "run_dir": tmp_path / "run"}
    return AgentSettings(zones=wanted, **(folders | more))  # type: ignore[arg-type]


@pytest.mark.root
def test_a_filesystem_of_its_own_may_be_guarded(scratch: Path, tmp_path: Path) -> None:
    """The zone knows its device and where it is mounted, also for a folder inside."""
    (scratch / "inner").mkdir()
    zone = open_zone(ZONE, scratch / "inner", [tmp_path])
    try:
        device = scratch.stat().st_dev
        assert (zone.mount_point, zone.device, zone.superblock) == (str(scratch), device, device)
        mount = mount_of(zone.directory)
        assert (mount.point, mount.kind) == (scratch, "ext4")
    finally:
        zone.close()


@pytest.mark.root
def test_a_symbolic_link_stands_for_where_it_leads(mounted: Mounted, tmp_path: Path) -> None:
    """The zone has the real path, so that the link may be changed afterwards."""
    real = _tmpfs(mounted)
    link = tmp_path / "link"
    link.symlink_to(real)
    zone = open_zone(ZONE, link, [])
    zone.close()

    assert zone.path == str(real)


# -- what is refused -------------------------------------------------------------------------


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file, a missing path and a dangling link give a reason each."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")

    assert "no such directory" in _refusal(tmp_path / "missing")
    assert "no such directory" in _refusal(tmp_path / "link")
    assert "not a directory" in _refusal(tmp_path / "file")


@pytest.mark.parametrize("path", ["/", "/usr", "/etc"])
def test_system_folders_are_refused(path: str) -> None:
    """A guard on the system's own filesystem would wait for itself."""
    assert "filesystem of its own" in _refusal(Path(path))


@pytest.mark.root
def test_a_filesystem_with_our_own_files_is_refused(mounted: Mounted) -> None:
    """The reason names the path that is in the way, also when it does not exist yet."""
    point = _tmpfs(mounted)
    with pytest.raises(ZoneError, match="not-made-yet"):
        open_zone(ZONE, point, [point / "state" / "not-made-yet"])


@pytest.mark.root
@pytest.mark.parametrize(
    "setting", ["state_dir", "run_dir", "policy_files", "registry_files", "salt_file", "policies"]
)
def test_whatever_the_settings_name_must_lie_elsewhere(
    mounted: Mounted, tmp_path: Path, setting: str
) -> None:
    """State, sockets, policies, registries and salts are opened while opens are held."""
    point = _tmpfs(mounted)
    own = point / "own"
    zone = ZoneSettings(
        point,
        salt_file=own if setting == "salt_file" else None,
        policy_files=(own,) if setting == "policies" else (),
    )
    more: dict[str, dict[str, object]] = {
        "state_dir": {"state_dir": own},
        "run_dir": {"run_dir": own},
        "policy_files": {"policy_files": (own,)},
        "registry_files": {"scan": ScanSettings(registry_files=(own,))},
    }
    with pytest.raises(ZoneError, match=f"also holds {own}"):
        open_zones(_settings(tmp_path, zone, **more.get(setting, {})))


@pytest.mark.root
def test_a_subvolume_beside_our_own_files_is_refused(mounted: Mounted, tmp_path: Path) -> None:
    """Subvolumes of one btrfs have devices of their own and one mark."""
    image = tmp_path / "image"
    with image.open("wb") as target:
        target.truncate(128 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    point = mounted("-o", "loop", image)
    for name in ("zone", "own"):
        subprocess.run(
            ["btrfs", "subvolume", "create", point / name], check=True, capture_output=True
        )

    assert (point / "zone").stat().st_dev != (point / "own").stat().st_dev
    with pytest.raises(ZoneError, match="also holds"):
        open_zone(ZONE, point / "zone", [point / "own"])


@pytest.mark.root
def test_a_read_only_filesystem_is_refused(mounted: Mounted) -> None:
    """Nothing could be moved to quarantine there; the text names the lesser modes."""
    reason = _refusal(_tmpfs(mounted, "-o", "ro"))

    assert "mounted read-only" in reason
    assert "monitor" in reason


@pytest.mark.root
def test_an_overlay_is_refused(mounted: Mounted) -> None:
    """Its files are those of the filesystem beneath, which is the one to guard."""
    lower = _tmpfs(mounted)
    for name in ("lower", "upper", "work"):
        (lower / name).mkdir()
    options = ",".join(f"{n}dir={lower / n}" for n in ("lower", "upper", "work"))
    reason = _refusal(mounted("-t", "overlay", "-o", options, "overlay"))

    assert "overlay only shows files of other filesystems" in reason


@pytest.mark.root
def test_a_filesystem_served_by_a_program_is_refused(mounted: Mounted) -> None:
    """A FUSE server that opens a guarded file while we wait for it would never answer."""
    served = mounted(_tmpfs(mounted), program="bindfs")

    assert "served by a program (FUSE)" in _refusal(served)


@pytest.mark.root
@pytest.mark.parametrize("path", ["/proc/self", "/sys/kernel"])
def test_the_kernels_own_filesystems_are_refused(path: str) -> None:
    """They hold no files that a zone could be made of."""
    assert "the agent or the system needs" in _refusal(Path(path))


@pytest.mark.root
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "ceph", "virtiofs", "gfs2"])
def test_a_network_filesystem_is_refused(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Other hosts change its files and the kernel here does not see it."""
    point = _tmpfs(mounted)
    real = zones.mount_of

    def renamed(directory: int) -> zones.Mount:
        mount = real(directory)
        return zones.Mount(mount.point, kind if mount.point == point else mount.kind, 0)

    monkeypatch.setattr(zones, "mount_of", renamed)
    monkeypatch.setattr(zones, "_needed_paths", tuple)

    assert f"{kind} is a network filesystem" in _refusal(point)


@pytest.mark.root
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_permission_events_is_told(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The reason names what is missing and the mode that can do without it."""

    def refuse(**_: bool) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fanotify, "create", refuse)
    reason = _refusal(_tmpfs(mounted))

    assert "CONFIG_FANOTIFY_ACCESS_PERMISSIONS" in reason
    assert "monitor mode" in reason


def test_a_refused_zone_leaves_no_descriptor() -> None:
    """Nothing stays open after a refusal."""
    before = descriptors()
    with pytest.raises(ZoneError):
        open_zone(ZONE, Path("/"), [])

    assert descriptors() <= before


# -- several zones ---------------------------------------------------------------------------


@pytest.mark.root
def test_two_zones_of_one_filesystem_must_agree(mounted: Mounted, tmp_path: Path) -> None:
    """A rename moves files between them, so that they cannot have different rules."""
    point = _tmpfs(mounted)
    for name in ("one", "two"):
        (point / name).mkdir()
    one, two = ZoneSettings(point / "one"), ZoneSettings(point / "two")
    for zone in open_zones(_settings(tmp_path, one, two)):
        zone.close()
    other = ZoneSettings(point / "two", signing=True)
    with pytest.raises(ZoneError, match="one filesystem and have different settings"):
        open_zones(_settings(tmp_path, one, other))


@pytest.mark.root
def test_a_filesystem_that_another_agent_guards_is_refused(
    guard: GuardProcess, tmp_path: Path
) -> None:
    """The text names the other agent's folder; the same agent may take its zone over."""
    guard.start()
    zone = ZoneSettings(guard.zone)
    with pytest.raises(ZoneError, match=f"the agent of {guard.run_dir} guards its filesystem"):
        open_zones(_settings(tmp_path / "other", zone))
    for opened in open_zones(_settings(tmp_path, zone, run_dir=guard.run_dir)):
        opened.close()


@pytest.mark.root
def test_what_an_earlier_guard_pinned_stays_guarded(mounted: Mounted) -> None:
    """A filesystem that no setting names any more belongs to the strictest zone."""
    kept, dropped = _tmpfs(mounted), _tmpfs(mounted)
    mild = open_zone(Zone("mild"), kept, [])
    strict = open_zone(Zone("strict", signing=True), _tmpfs(mounted), [])
    pins = [os.open(point, os.O_PATH) for point in (kept, dropped, dropped)]
    (rest,) = left_over([mild, strict], pins)

    assert (rest.zone, rest.superblock) == (strict.zone, dropped.stat().st_dev)
    assert strictest([mild, strict]) == strict.zone
    for zone in (mild, strict, rest):
        zone.close()


@pytest.mark.root
def test_a_lazy_unmount_is_seen_at_the_zones_path(mounted: Mounted) -> None:
    """The pinned filesystem lives on, and the path leads to another one."""
    point = _tmpfs(mounted)
    zone = open_zone(ZONE, point, [])
    before = is_elsewhere(zone)
    subprocess.run(["umount", "-l", point], check=True)
    after = is_elsewhere(zone)
    zone.close()
    subprocess.run(["mount", "-t", "tmpfs", "lockgate-b", point], check=True)

    assert (before, after) == (False, True)


def test_mount_points_with_odd_names_are_read() -> None:
    """Spaces and line breaks are octal in mountinfo; the type loses its subtype."""
    line = r"36 35 98:0 /root /a\040b\012c rw - fuse.sshfs host:/x rw"
    ((number, mount),) = parse_mounts(line)

    assert (number, mount.point, mount.kind) == (36, Path("/a b\nc"), "fuse")
    assert mount.superblock == os.makedev(98, 0)
