"""The lesser modes: what lands in the outbox moves once, after a verdict; monitor only tells."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from guard_neighbours import FakeDecider, FakeWorkers

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.watch.watch import Watch, WatchSettings
from lockgate.wire.transfer import Boundary, Enforcement, Verdict


class BackgroundFakeWorkers(FakeWorkers):
    """Workers that know of background jobs."""

    def submit(
        self, job: int, fd: int, path: str, timeout_s: float, *, background: bool = False
    ) -> None:
        """Scan, in no order."""
        super().submit(job, fd, path, timeout_s)


def watching(zone: Path, mode: Mode, until: Callable[[FakeDecider], bool]) -> FakeDecider:
    """Watch ``zone`` until the condition on what was recorded holds."""
    decider = FakeDecider()
    settings = WatchSettings("host", quiet_s=0.1)
    watch = Watch([ZoneSettings(zone, mode=mode)], BackgroundFakeWorkers(), decider, settings)
    watch.start()
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        end = time.monotonic() + 15
        while not until(decider):
            assert time.monotonic() < end, "what was waited for did not come"
            time.sleep(0.05)
    finally:
        watch.stop()
        thread.join()
    return decider


def test_outbox_moves_clean_and_dirty_apart(tmp_path: Path) -> None:
    """A clean file ends in released, a dirty one in held, and none stays."""
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "clean").write_bytes(b"text")
    (tmp_path / "outbox" / "dirty").write_bytes(b"PRIVATE")
    decider = watching(tmp_path, Mode.OUTBOX, lambda d: len(d.receipts) == 2)
    assert (tmp_path / "released" / "clean").read_bytes() == b"text"
    assert (tmp_path / "held" / "dirty").exists()
    assert list((tmp_path / "outbox").iterdir()) == []
    assert {t.boundary for t in decider.transfers} == {Boundary.OUTBOX}


def test_outbox_never_replaces_a_file(tmp_path: Path) -> None:
    """A name that is taken in released is kept, the new file gets another."""
    for name in ("outbox", "released"):
        (tmp_path / name).mkdir()
    (tmp_path / "released" / "a").write_bytes(b"old")
    (tmp_path / "outbox" / "a").write_bytes(b"new")
    watching(tmp_path, Mode.OUTBOX, lambda d: len(d.receipts) == 1)
    assert (tmp_path / "released" / "a").read_bytes() == b"old"
    assert len(list((tmp_path / "released").iterdir())) == 2


def test_outbox_waits_for_a_writer(tmp_path: Path) -> None:
    """A file that somebody can still write is not judged, however long it is quiet."""
    (tmp_path / "outbox").mkdir()
    for name in ("open", "closed"):
        (tmp_path / "outbox" / name).write_bytes(b"text")
    with (tmp_path / "outbox" / "open").open("ab"):
        decider = watching(tmp_path, Mode.OUTBOX, lambda d: len(d.receipts) == 1)
    assert (tmp_path / "outbox" / "open").exists()
    assert [Path(t.path).name for t in decider.transfers] == ["closed"]
    watching(tmp_path, Mode.OUTBOX, lambda d: len(d.receipts) == 1)
    assert (tmp_path / "released" / "open").exists()


def test_monitor_tells_and_touches_nothing(tmp_path: Path) -> None:
    """A dirty file written while watching, in a new directory, is told and stays readable."""

    def write_late(decider: FakeDecider) -> bool:
        folder = tmp_path / "new"
        if not folder.exists():
            folder.mkdir()
            (folder / "dirty").write_bytes(b"SECRET")
        return len(decider.receipts) == 1

    decider = watching(tmp_path, Mode.MONITOR, write_late)
    (receipt,) = decider.receipts
    assert receipt.enforcement is Enforcement.NOT_ENFORCED
    assert receipt.verdict is Verdict.QUARANTINE
    assert (tmp_path / "new" / "dirty").read_bytes() == b"SECRET"
