"""What senders, collectors and other outboxes can do to an outbox at a bad moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from guard_neighbours import FakeDecider, FakeWorkers
from watched import outbox, watching

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.watch import staging as staging_module
from lockgate.agent.watch.judging import Judging
from lockgate.agent.watch.staging import NotReadyError, Staging
from lockgate.agent.watch.watch import Watch
from lockgate.scan.report import Report
from lockgate.wire.transfer import HoldReason, Transfer, hold


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """An empty outbox."""
    (tmp_path / "outbox").mkdir()
    return tmp_path


def _released(box: Path) -> list[str]:
    return sorted(p.name for p in (box / "released").rglob("*") if p.is_file())


def _make_deep(folder: Path, levels: int) -> None:
    """Folders below folders, deeper than a path can be long."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.close(at)


def test_a_tree_of_a_thousand_levels_stops_nothing(box: Path) -> None:
    """It stays where it is and is told of; other files cross."""
    _make_deep(box / "outbox", 1100)
    (box / "outbox" / "plain").write_bytes(b"text")
    try:
        with watching(box, Mode.OUTBOX, outbox) as seen:
            seen.wait_for_receipts(1)
            told = seen.status()["may_have_missed"][str(box)]
    finally:  # by a program that knows how: shutil.rmtree() recurses
        subprocess.run(["rm", "-rf", box / "outbox" / "d"], check=True)

    assert _released(box) == ["plain"]
    assert any("cannot be read" in reason for reason in told)


def test_a_collector_that_removes_emptied_folders_costs_no_receipt(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come between the release and its last step."""
    real = Staging.settle

    def collected_first(self: Staging, places: dict[str, Path]) -> None:
        for place in list(places.values())[:1]:
            place.unlink()
            place.parent.rmdir()
        real(self, places)

    monkeypatch.setattr(Staging, "settle", collected_first)
    for number in range(3):
        (box / "outbox" / f"folder{number}").mkdir()
        (box / "outbox" / f"folder{number}" / "file").write_bytes(b"text")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(3)


def test_a_folder_of_the_name_of_a_held_file_crosses_under_another(box: Path) -> None:
    """It is judged once, not again and again."""
    (box / "outbox" / "a").write_bytes(b"PRIVATE")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
        (box / "outbox" / "a").mkdir()
        (box / "outbox" / "a" / "b").write_bytes(b"PRIVATE too")
        seen.wait_for_receipts(2)

    assert all("moved to" in receipt.detail for receipt in seen.decider.receipts)
    assert [path.name for path in (box / "held").glob("*-a/b")] == ["b"]


def test_one_file_in_two_outboxes_crosses_in_both(tmp_path: Path) -> None:
    """Though its scan takes longer than a file must be quiet."""
    boxes = [tmp_path / name for name in ("one", "two")]
    for box in boxes:
        (box / "outbox").mkdir(parents=True)
    (boxes[0] / "outbox" / "file").write_bytes(b"SLOW")
    os.link(boxes[0] / "outbox" / "file", boxes[1] / "outbox" / "file")
    decider = FakeDecider()
    judging: Judging[object] = Judging(FakeWorkers(), decider, 60.0)
    zones = [outbox(ZoneSettings(box, mode=Mode.OUTBOX), judging) for box in boxes]
    watch = Watch(Mode.OUTBOX, zones, judging)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        end = time.monotonic() + 30
        while [_released(box) for box in boxes] != [["file"], ["file"]]:
            assert time.monotonic() < end, [receipt.detail for receipt in decider.receipts]
            time.sleep(0.05)
    finally:
        watch.stop()
        thread.join()

    assert len(decider.receipts) == 2


def test_nothing_is_looked_for_in_a_folder_that_a_sender_made(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took the place of a file at the last moment, and could still be changed by its maker."""
    staging = Staging(box)
    (box / "outbox" / "sub").mkdir()
    (box / "outbox" / "sub" / "file").write_bytes(b"anything")
    (box / "other").mkdir(mode=0o755)
    (box / "other" / "inner").write_bytes(b"clean bytes")
    real = staging_module._check_ready

    def exchanged_after(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        (box / "outbox" / "sub" / "file").unlink()
        (box / "other").rename(box / "outbox" / "sub" / "file")

    monkeypatch.setattr(staging_module, "_check_ready", exchanged_after)
    staging.take(Path("sub/file"), 0, time.time() + 100)
    (left,) = staging.left_over(())

    assert left.relative == Path("sub/file")
    with pytest.raises(NotReadyError, match="special"):
        staging.copy(left)
    staging.close()


class _Away(FakeDecider):
    """A controller that is away for the first two questions."""

    def request(self, job: int, transfer: Transfer, report: Report) -> None:
        """See :class:`lockgate.agent.ports.Decider`."""
        if len(self.transfers) < 2:
            self.transfers.append(transfer)
            self._decisions.append((job, hold(HoldReason.CONTROLLER_UNREACHABLE)))
            os.eventfd_write(self._ready, 1)
        else:
            super().request(job, transfer, report)


def test_every_transfer_that_was_asked_about_gets_a_receipt(box: Path) -> None:
    """Also those that were not decided and were asked about again, as others."""
    (box / "outbox" / "a").write_bytes(b"text")
    with watching(box, Mode.OUTBOX, outbox, _Away()) as seen:
        seen.wait_for_receipts(3)

    asked = [transfer.transfer_id for transfer in seen.decider.transfers]
    assert len(set(asked)) == 3
    assert [receipt.transfer_id for receipt in seen.decider.receipts] == asked
    assert _released(box) == ["a"]
