"""Monitor: everything written is told, nobody is stopped or delayed, and what is missed is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from guard_neighbours import FakeDecider, FakeWorkers
from watched import monitor, watching

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.watch import notification
from lockgate.agent.watch.inotify import Inotify
from lockgate.agent.watch.judging import Judging
from lockgate.agent.watch.monitor import Monitor
from lockgate.agent.watch.notify import Notify
from lockgate.agent.watch.rescan import Look, files_below
from lockgate.agent.watch.sources import Hints, Source
from lockgate.wire.transfer import Enforcement, Verdict

PROGRAM = Path(__file__).parents[1] / "fakes" / "monitor_program.py"


@pytest.fixture(params=["inotify", pytest.param("fanotify", marks=pytest.mark.root)])
def source_of(request: pytest.FixtureRequest) -> type[Inotify | Notify]:
    """Both sources of events."""
    return Inotify if request.param == "inotify" else Notify


@pytest.fixture
def zone() -> Iterator[Path]:
    """A tmpfs of its own for root, so that a mark sees nobody else's files; else a folder."""
    with tempfile.TemporaryDirectory(prefix="lockgate-h-") as folder:
        mounted = os.geteuid() == 0
        if mounted:
            subprocess.run(["mount", "-t", "tmpfs", "lockgate-h", folder], check=True)
        try:
            yield Path(folder)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=True)


def names(decider: FakeDecider) -> set[str]:
    """The names of the files that receipts speak of."""
    return {receipt.path.rpartition("/")[2] for receipt in decider.receipts}


def test_a_dirty_file_is_told_and_stays(zone: Path, source_of: type[Inotify]) -> None:
    """A dirty file written into a new directory is told, and stays readable."""
    with watching(zone, Mode.MONITOR, monitor(source_of)) as seen:
        (zone / "new").mkdir()
        (zone / "new" / "dirty").write_bytes(b"SECRET")
        seen.wait(lambda: seen.decider.receipts[-1:])
        if seen.decider.receipts[0].verdict is Verdict.ALLOW:  # we were slow: judged when empty
            seen.wait_for_receipts(2)
    receipt = seen.decider.receipts[-1]
    assert receipt.enforcement is Enforcement.NOT_ENFORCED
    assert receipt.verdict is Verdict.QUARANTINE
    assert (zone / "new" / "dirty").read_bytes() == b"SECRET"


def test_what_was_there_before_is_told(zone: Path, source_of: type[Inotify]) -> None:
    """Files older than the watch are judged at the start."""
    (zone / "folder").mkdir()
    (zone / "folder" / "old").write_bytes(b"text")
    with watching(zone, Mode.MONITOR, monitor(source_of)) as seen:
        seen.wait_for_receipts(1)
    assert names(seen.decider) == {"old"}


def test_moves_and_links_are_told(zone: Path, source_of: type[Inotify]) -> None:
    """A file that comes by a rename, alone or in a directory, or by a link, is told."""
    outside = zone / "outside"
    inside = zone / "inside"
    for folder in (outside, outside / "tree", inside):
        folder.mkdir()
    for name in ("moved", "tree/moved-tree", "linked"):
        (outside / name).write_bytes(name.encode())
    with watching(inside, Mode.MONITOR, monitor(source_of)) as seen:
        seen.wait(lambda: seen.status()["counts"].get("looks"))
        (outside / "moved").rename(inside / "moved")
        (outside / "tree").rename(inside / "tree")
        os.link(outside / "linked", inside / "linked")
        seen.wait_for_receipts(3)
        (outside / "elsewhere").write_bytes(b"not in the zone")
        (inside / "last").write_bytes(b"text")
        seen.wait_for_receipts(4)
    assert names(seen.decider) == {"moved", "moved-tree", "linked", "last"}


def test_looking_twice_judges_once(zone: Path, source_of: type[Inotify]) -> None:
    """An unchanged file is not judged again by later looks; a changed one is."""
    (zone / "a").write_bytes(b"text")
    with watching(zone, Mode.MONITOR, monitor(source_of, rescan_s=0.1)) as seen:
        seen.wait(lambda: seen.status()["counts"].get("looks", 0) > 4)
        assert len(seen.decider.receipts) == 1
        (zone / "a").write_bytes(b"other text")
        seen.wait_for_receipts(2)


def test_a_file_that_never_rests_is_judged_all_the_same(zone: Path) -> None:
    """A file that is appended to for ever is judged after the time of a look."""
    with (
        watching(zone, Mode.MONITOR, monitor(Inotify, rescan_s=0.3)) as seen,
        (zone / "log").open("ab", buffering=0) as log,
    ):
        end = time.monotonic() + 30
        while not seen.decider.receipts:
            assert time.monotonic() < end
            log.write(b"line\n")
            time.sleep(0.01)


class LosingSource:
    """A source that loses everything and says so once."""

    name = "inotify"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.told = 0

    def fileno(self) -> int:
        return self.ready

    def collect(self) -> Hints:
        lost = bool(self.told == 0 and (self.folder / "unseen").exists())
        self.told += lost
        return Hints(lost=lost)

    def overflows(self) -> int:
        return self.told

    def weaknesses(self, directories: int) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        os.close(self.ready)


def test_lost_events_bring_a_look_at_everything(zone: Path) -> None:
    """After an overflow everything is looked at again, and status says that it happened."""

    def losing(folder: Path) -> Source:
        source = LosingSource(folder)
        os.eventfd_write(source.ready, 1)
        return source

    with watching(zone, Mode.MONITOR, monitor(losing)) as seen:
        seen.wait(lambda: seen.status()["counts"].get("looks"))
        (zone / "unseen").write_bytes(b"PRIVATE")
        seen.wait_for_receipts(1)
        (reasons,) = seen.status()["may_have_missed"].values()
    assert any("events were lost 1 times" in reason for reason in reasons)


@pytest.mark.root
def test_a_storm_overflows_nothing(zone: Path) -> None:
    """The notification group loses none of 20,000 files while nobody reads it."""
    source = Notify(zone)
    for number in range(20_000):
        (zone / str(number)).write_bytes(b"x")
    told: set[Path] = set()
    while hints := source.collect():
        assert not hints.lost
        told.update(hints.files)
    source.close()
    assert len(told) == 20_000


def test_an_inotify_storm_is_made_good(zone: Path) -> None:
    """Whatever inotify drops of 3,000 files, all are judged."""
    with watching(zone, Mode.MONITOR, monitor(Inotify, rescan_s=2.0)) as seen:
        for number in range(3_000):
            (zone / str(number)).write_bytes(f"file {number}".encode())
        seen.wait(lambda: len(names(seen.decider)) == 3_000, 120)


def test_unwatched_directories_are_counted(zone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status tells how many of the directories are watched when the limit was reached."""
    for number in range(5):
        (zone / str(number)).mkdir()
    monkeypatch.setattr("lockgate.agent.watch.inotify.watches", lambda: 2)
    with watching(zone, Mode.MONITOR, monitor(Inotify)) as seen:
        seen.wait(
            lambda: any(
                "2 of 6 directories" in reason
                for reasons in seen.status()["may_have_missed"].values()
                for reason in reasons
            )
        )


def test_a_watch_that_cannot_begin_looks_at_intervals(
    zone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without inotify files are found all the same, and status says how."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.start", refuse)
    with watching(zone, Mode.MONITOR, monitor(Inotify, rescan_s=0.2)) as seen:
        (zone / "late").write_bytes(b"text")
        seen.wait_for_receipts(1)
        (reasons,) = seen.status()["may_have_missed"].values()
    assert any("inotify cannot watch" in reason for reason in reasons)


def test_links_are_not_followed(zone: Path) -> None:
    """A look reports what it passed over, and does not leave the folder."""
    (zone / "in").mkdir()
    (zone / "in" / "file").write_bytes(b"text")
    (zone / "in" / "out").symlink_to("/")
    os.mkfifo(zone / "in" / "fifo")
    look = Look()
    assert list(files_below(zone, look)) == [zone / "in" / "file"]
    assert (look.directories, look.special, look.unreadable) == (2, 2, 0)


@pytest.mark.root
def test_a_stopped_monitor_delays_nobody(zone: Path) -> None:
    """Opens, reads and writes go on as ever while the agent is stopped by SIGSTOP."""
    agent = subprocess.Popen(
        [sys.executable, PROGRAM, "monitor", zone], stdout=subprocess.PIPE, text=True
    )
    try:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "READY\n"
        agent.send_signal(signal.SIGSTOP)
        before = time.monotonic()
        for number in range(2_000):
            (zone / str(number)).write_bytes(b"SECRET")
            assert (zone / str(number)).read_bytes() == b"SECRET"
        assert time.monotonic() - before < 20
        agent.send_signal(signal.SIGCONT)
    finally:
        agent.kill()
        agent.wait()
        assert agent.stdout is not None
        agent.stdout.close()


@pytest.mark.root
def test_a_notification_group_can_hold_nothing(zone: Path) -> None:
    """The kernel itself refuses permission events in the class of group that is used."""
    for flags in (0, notification.UNLIMITED_QUEUE | notification.REPORT_NAMES):
        group = notification.create(flags)
        with pytest.raises(OSError, match="Invalid argument"):
            notification.mark(group, zone, 0x10000)
        os.close(group)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed(raw: bytes) -> None:
    """Whatever lengths the bytes claim, parsing ends and raises nothing."""
    for event in notification.parse(raw):
        assert isinstance(event.mask, int)


@given(st.integers(0, 255), st.binary(max_size=64), st.binary(min_size=1, max_size=80))
def test_a_name_record_is_read(kind: int, opaque: bytes, name: bytes) -> None:
    """Directory handle and name come out as the kernel puts them in (fanotify(7))."""
    plain = name.replace(b"\0", b"x")
    body = b"\1" * 8 + len(opaque).to_bytes(4, "little") + kind.to_bytes(4, "little") + opaque
    record = b"\2\0" + (4 + len(body) + len(plain) + 1).to_bytes(2, "little") + body + plain + b"\0"
    header = (24 + len(record)).to_bytes(4, "little") + b"\3\0" + (24).to_bytes(2, "little")
    event = header + (8).to_bytes(8, "little") + b"\xff" * 4 + (7).to_bytes(4, "little") + record
    if sys.byteorder == "little":
        (parsed,) = notification.parse(event)
        assert parsed.place == notification.Handle(kind, opaque, plain)
        assert (parsed.mask, parsed.fd, parsed.pid) == (8, -1, 7)


def test_workers_get_the_zone(zone: Path) -> None:
    """A scan is asked for in the name of its zone, and in the background."""
    asked: list[tuple[str, bool]] = []

    class Noting(FakeWorkers):
        def submit(
            self,
            job: int,
            fd: int,
            path: str,
            timeout_s: float,
            *,
            zone: str = "",
            background: bool = False,
        ) -> None:
            asked.append((zone, background))
            super().submit(job, fd, path, timeout_s)

    (zone / "a").write_bytes(b"text")
    with watching(zone, Mode.MONITOR, monitor(Inotify), workers=Noting()) as seen:
        seen.wait_for_receipts(1)
    assert asked == [(zone.name, True)]


def test_files_that_are_always_written_keep_no_other_waiting(zone: Path) -> None:
    """A look goes on behind them, however many there are."""
    busy = [(zone / f"busy{number:03}").open("wb", buffering=0) for number in range(100)]
    (zone / "z").mkdir()
    for number in range(50):
        (zone / "z" / f"quiet{number}").write_bytes(b"SECRET %d" % number)
    time.sleep(0.6)
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.1):
            for target in busy:
                target.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)

    def patient(settings: ZoneSettings, judging: Judging[Any]) -> Monitor:
        return Monitor(settings, "host", judging, Inotify(settings.path), quiet_s=0.5, rescan_s=300)

    try:
        with watching(zone, Mode.MONITOR, patient) as seen:
            seen.wait(lambda: sum("quiet" in path for path in seen.workers.submitted) == 50)
    finally:
        ended.set()
        writer.join()
        for target in busy:
            target.close()
