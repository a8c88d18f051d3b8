"""What may be a zone, what may not, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.agent.guard.zones import ZoneError, mount_of, open_zone
from lockgate.wire.transfer import Zone

ZONE = Zone("test")


@pytest.mark.root
def test_a_filesystem_of_its_own_may_be_guarded(scratch: Path, tmp_path: Path) -> None:
    """The zone knows its device and where it is mounted, also for a folder inside."""
    (scratch / "inner").mkdir()
    zone = open_zone(ZONE, scratch / "inner", [tmp_path])
    try:
        assert (zone.mount_point, zone.device) == (str(scratch), scratch.stat().st_dev)
        assert mount_of(scratch / "inner") == (scratch, "ext4")
    finally:
        zone.close()


@pytest.mark.root
def test_a_filesystem_with_our_own_files_is_refused(scratch: Path) -> None:
    """The reason names the path that is in the way, also when it does not exist yet."""
    with pytest.raises(ZoneError, match="not-made-yet"):
        open_zone(ZONE, scratch, [scratch / "state" / "not-made-yet"])


@pytest.mark.parametrize("path", ["/", "/usr", "/etc"])
def test_system_folders_are_refused(path: str) -> None:
    """A guard on the system's own filesystem would wait for itself."""
    with pytest.raises(ZoneError, match="filesystem of its own"):
        open_zone(ZONE, Path(path), [])


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file and a missing path give a reason each."""
    (tmp_path / "file").touch()
    with pytest.raises(ZoneError, match="no such directory"):
        open_zone(ZONE, tmp_path / "missing", [])
    with pytest.raises(ZoneError, match="not a directory"):
        open_zone(ZONE, tmp_path / "file", [])


def test_a_refused_zone_leaves_no_descriptor() -> None:
    """Nothing stays open after a refusal."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ZoneError):
        open_zone(ZONE, Path("/"), [])

    assert len(list(Path("/proc/self/fd").iterdir())) == before
