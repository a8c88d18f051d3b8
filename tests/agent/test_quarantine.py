"""What is moved into quarantine is exactly what was judged, and comes back on request."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lockgate.agent.guard.zones import GuardedZone, open_zone
from lockgate.agent.quarantine.store import Quarantine, QuarantineError, QuarantineQuota
from lockgate.wire.transfer import Enforcement, Receipt, Verdict, Zone

pytestmark = pytest.mark.root


@pytest.fixture
def zone(scratch: Path, tmp_path: Path) -> Iterator[GuardedZone]:
    """The scratch filesystem as a zone, without a guard."""
    zone = open_zone(Zone("test"), scratch, [tmp_path])
    yield zone
    zone.close()


@pytest.fixture
def file(scratch: Path) -> Path:
    """A file of a user, readable for all."""
    path = scratch / "folder" / "key"
    path.parent.mkdir()
    path.write_bytes(b"secret")
    os.chown(path, 1000, 1000)
    path.chmod(0o644)
    return path


def _take(store: Quarantine, path: Path) -> str:
    with path.open("rb") as source:
        return store.take(source.fileno(), "transfer", None).quarantine_id


def _receipt() -> Receipt:
    now = datetime.now(UTC)
    return Receipt("transfer", Verdict.QUARANTINE, Enforcement.DENIED, None, 1, now)


def test_a_file_is_moved_where_only_root_comes(
    zone: GuardedZone, file: Path, tmp_path: Path
) -> None:
    """The store is 0700, the entry tells the old name, owner and mode."""
    store = Quarantine(tmp_path, [zone])
    name = _take(store, file)
    (entry,) = store.entries()

    assert not file.exists()
    assert Path(entry.stored).read_bytes() == b"secret"
    assert stat.S_IMODE(Path(entry.stored).parent.stat().st_mode) == 0o700
    assert (entry.quarantine_id, entry.original, entry.uid, entry.mode) == (
        name,
        str(file),
        1000,
        0o644,
    )


def test_the_index_outlives_the_process(zone: GuardedZone, file: Path, tmp_path: Path) -> None:
    """A new process reads the same entries; a new agent forgets one whose file is not there."""
    entries = [(s := Quarantine(tmp_path, [zone])), _take(s, file), s.entries()][2]
    Path(entries[0].stored).unlink()
    again = Quarantine(tmp_path, [zone])

    assert again.entries() == entries  # it may just be moving in
    again.settle()
    assert again.entries() == ()


def test_restore_brings_the_file_back(zone: GuardedZone, file: Path, tmp_path: Path) -> None:
    """Under its old name, with a receipt, and out of the index."""
    store = Quarantine(tmp_path, [zone])
    receipt = store.restore(_take(store, file))

    assert file.read_bytes() == b"secret"
    assert (receipt.enforcement, receipt.path) == (Enforcement.RESTORED, str(file))
    assert store.entries() == ()


def test_restore_replaces_nothing(zone: GuardedZone, file: Path, tmp_path: Path) -> None:
    """A name that is taken is refused; another place on the filesystem works."""
    store = Quarantine(tmp_path, [zone])
    name = _take(store, file)
    file.write_bytes(b"new")
    with pytest.raises(QuarantineError, match="exists"):
        store.restore(name)
    store.restore(name, file.with_name("elsewhere"))

    assert (file.read_bytes(), file.with_name("elsewhere").read_bytes()) == (b"new", b"secret")


def test_a_name_that_leads_elsewhere_is_put_back(
    zone: GuardedZone, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file swapped in between judgement and move stays, and the failure is told."""
    store = Quarantine(tmp_path, [zone])
    with file.open("rb") as source:
        other = file.with_name("other")
        other.write_bytes(b"innocent")
        real = os.readlink
        monkeypatch.setattr(
            os, "readlink", lambda path: str(other) if "/fd/" in path else real(path)
        )
        with pytest.raises(QuarantineError, match="another file"):
            store.take(source.fileno(), "transfer", None)

    assert (other.read_bytes(), file.read_bytes()) == (b"innocent", b"secret")
    assert store.entries() == ()
    assert list((tmp_path / "quarantine").iterdir()) == []


@pytest.mark.parametrize("quota", [QuarantineQuota(max_files=0), QuarantineQuota(max_bytes=5)])
def test_a_full_store_takes_nothing(
    zone: GuardedZone, file: Path, tmp_path: Path, quota: QuarantineQuota
) -> None:
    """The receipt says that moving failed and why."""
    store = Quarantine(tmp_path, [zone], quota)
    with file.open("rb") as source:
        receipt = store.enforce(source.fileno(), _receipt(), None)

    assert receipt.enforcement is Enforcement.QUARANTINE_FAILED
    assert "may" in receipt.detail
    assert file.exists()


def test_a_hard_link_of_a_moved_file_is_not_moved_again(
    zone: GuardedZone, file: Path, tmp_path: Path
) -> None:
    """It is denied under the entry that exists."""
    link = file.with_name("link")
    os.link(file, link)
    store = Quarantine(tmp_path, [zone])
    name = _take(store, file)
    with link.open("rb") as source:
        receipt = store.enforce(source.fileno(), _receipt(), None)

    assert (receipt.enforcement, receipt.quarantine_id) == (Enforcement.DENIED, name)
    assert link.exists()


def test_a_deleted_file_cannot_be_moved(zone: GuardedZone, file: Path, tmp_path: Path) -> None:
    """It has no name; the receipt tells."""
    store = Quarantine(tmp_path, [zone])
    with file.open("rb") as source:
        file.unlink()
        receipt = store.enforce(source.fileno(), _receipt(), None)

    assert receipt.enforcement is Enforcement.QUARANTINE_FAILED
