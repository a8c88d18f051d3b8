"""What a guarding agent does when it is told to, on a real filesystem without a guard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lockgate.agent.config import AgentSettings, ZoneSettings
from lockgate.agent.deeds import GuardDeeds
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.guard.zones import GuardedZone, open_zone
from lockgate.agent.notes import notes_in
from lockgate.agent.uplink.orders import OrderError
from lockgate.wire.agent import (
    NEEDS,
    Action,
    ForgetDecisions,
    QuarantineFile,
    Release,
    Rescan,
    Restore,
)
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, FileIdentity, Receipt, Zone

pytestmark = pytest.mark.root

ZONE = Zone("test")


@dataclass
class Recording:
    """Stands for guard and decider; keeps what it was asked."""

    asked: list[Any] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    def forget_decision_of(self, transfer_id: str, sha256: str) -> None:
        """One file is asked about again."""
        self.asked.append((transfer_id, sha256))

    def forget_decisions(self) -> None:
        """All are."""
        self.asked.append("all")

    def rescan(self, device: int) -> None:
        """A filesystem is scanned anew."""
        self.asked.append(device)

    def record(self, receipt: Receipt) -> None:
        """Keep a receipt."""
        self.receipts.append(receipt)


@dataclass
class Desk:
    """The deeds of a guard over one zone."""

    folder: Path
    zone: GuardedZone
    heard: Recording
    deeds: Any

    def do(self, action: Action) -> str:
        """Do it."""
        return str(self.deeds[type(action)](action))


@pytest.fixture
def desk(scratch: Path, tmp_path: Path) -> Iterator[Desk]:
    """Over the scratch filesystem."""
    zone = open_zone(ZONE, scratch, [tmp_path])
    heard: Any = Recording()
    settings = AgentSettings(
        (ZoneSettings(scratch, ZONE.name),), state_dir=tmp_path, run_dir=tmp_path / "run"
    )
    yield Desk(scratch, zone, heard, GuardDeeds(settings, [zone], heard, heard).all())
    zone.close()


def file_in(desk: Desk) -> tuple[Path, FileIdentity]:
    """A file of the zone, with its identity."""
    path = desk.folder / "dump"
    path.write_bytes(b"bytes")
    return path, identity_of(path.stat())


def test_a_guard_can_be_told_everything_there_is(desk: Desk) -> None:
    """No action is left out."""
    assert set(desk.deeds) == set(NEEDS)


def test_what_is_forgotten_is_forgotten_by_the_guard(desk: Desk) -> None:
    """One decision, all, or everything of a zone."""
    transfer = uuid7()
    desk.do(Release(transfer, "ab" * 32))
    desk.do(ForgetDecisions())
    desk.do(Rescan(ZONE))
    assert desk.heard.asked == [(transfer, "ab" * 32), "all", desk.zone.device]
    with pytest.raises(OrderError, match="no zone of that name"):
        desk.do(Rescan(Zone("elsewhere")))


def test_a_file_is_moved_and_put_back_with_a_record_of_each(desk: Desk, tmp_path: Path) -> None:
    """The way there is a receipt; the way back a record that the agent reports."""
    path, identity = file_in(desk)
    told = desk.do(QuarantineFile(uuid7(), ZONE, str(path), identity))
    assert not path.exists()
    (receipt,) = desk.heard.receipts
    assert receipt.enforcement is Enforcement.QUARANTINED
    assert told == f"moved into quarantine as {receipt.quarantine_id}"

    assert desk.do(Restore(receipt.quarantine_id, ZONE)) == f"put back: {path}"
    assert path.read_bytes() == b"bytes"
    assert len(notes_in(tmp_path)) == 1
    with pytest.raises(OrderError, match="nothing in quarantine"):
        desk.do(Restore(receipt.quarantine_id, ZONE))
    with pytest.raises(OrderError, match="no zone of that name"):
        desk.do(Restore(receipt.quarantine_id, Zone("elsewhere")))


@pytest.mark.parametrize("how", ["written", "replaced", "linked", "gone"])
def test_only_the_file_that_was_reported_is_moved(desk: Desk, how: str) -> None:
    """Not one that was changed, that took its name, or that a link leads to."""
    path, identity = file_in(desk)
    other = desk.folder / "other"
    if how == "written":
        path.write_bytes(b"other bytes")
    elif how == "replaced":
        other.write_bytes(b"bytes")
        other.rename(path)
    elif how == "linked":
        path.rename(other)
        path.symlink_to(other)
    else:
        path.unlink()
    with pytest.raises((OrderError, FileNotFoundError)):
        desk.do(QuarantineFile(uuid7(), ZONE, str(path), identity))
    assert desk.heard.receipts == []
    assert os.path.lexists(path) is (how != "gone")


def test_a_name_with_escapes_leads_nowhere_else(desk: Desk) -> None:
    """A path that was reported escaped names no file, and none is guessed."""
    path = desk.folder / "a\nb"
    path.write_bytes(b"bytes")
    escaped = f"{desk.folder}/a\\x0ab"
    with pytest.raises(FileNotFoundError):
        desk.do(QuarantineFile(uuid7(), ZONE, escaped, identity_of(path.stat())))
    assert path.exists()
