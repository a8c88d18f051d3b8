"""Outbox: what is put in crosses once, as the bytes that were judged, whatever is tried."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from guard_neighbours import FakeDecider, FakeWorkers
from watched import outbox, watching

from lockgate.agent.config import Mode
from lockgate.agent.watch.staging import Staged, Staging, StagingError
from lockgate.scan.report import Report
from lockgate.wire.transfer import Boundary, Enforcement, HoldReason, Receipt, Transfer, hold

PROGRAM = Path(__file__).parents[1] / "fakes" / "outbox_program.py"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder with an empty outbox."""
    (tmp_path / "outbox").mkdir()
    return tmp_path


def put(box: Path, name: str, content: bytes = b"text") -> Path:
    """A file in the outbox, whole at once."""
    path = box / "outbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(folder: Path) -> list[str]:
    """Everything below a folder but directories, by its relative path."""
    found = []
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        at = Path(parent).relative_to(folder)
        found += [str(at / name) for name in files + links]
    return sorted(found)


def test_clean_and_dirty_go_apart(box: Path) -> None:
    """A clean file ends in released, a dirty one in held with its reason, none stays."""
    put(box, "clean")
    put(box, "dirty", b"PRIVATE")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(2)
    assert names(box / "released") == ["clean"]
    assert names(box / "held") == ["dirty", "dirty.lockgate.json"]
    why = json.loads((box / "held" / "dirty.lockgate.json").read_text())
    assert (why["verdict"], why["report"]["outcome"]) == ("BLOCK", "found")
    assert names(box / "outbox") == []
    assert {t.boundary for t in seen.decider.transfers} == {Boundary.OUTBOX}
    done = {r.path.rpartition("/")[2]: r.enforcement for r in seen.decider.receipts}
    assert done == {"clean": Enforcement.ALLOWED, "dirty": Enforcement.DENIED}


def test_what_is_held_nobody_else_reads(box: Path) -> None:
    """The folder of held files is for the agent's user."""
    put(box, "dirty", b"SECRET").chmod(0o666)
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
    assert stat.S_IMODE((box / "held").stat().st_mode) == 0o700
    assert stat.S_IMODE((box / "held" / "dirty").stat().st_mode) & 0o222 == 0


class WatchingDecider(FakeDecider):
    """Keeps the digest that the report of each file told."""

    def __init__(self) -> None:
        super().__init__()
        self.digests: dict[str, str | None] = {}

    def request(self, job: int, transfer: Transfer, report: Report) -> None:
        """Decide as always."""
        self.digests[transfer.path.rpartition("/")[2]] = report.sha256
        super().request(job, transfer, report)


@pytest.mark.parametrize("grip", ["descriptor", "mapping", "link"])
def test_the_sender_keeps_no_grip(box: Path, grip: str) -> None:
    """What a sender writes after the verdict, by whatever it kept, is not in what was released."""
    path = put(box, "a", b"clean bytes")
    os.link(path, box / "kept")
    decider = WatchingDecider()
    with watching(box, Mode.OUTBOX, outbox, decider) as seen:
        if grip != "link":
            seen.wait(lambda: not path.exists())
        seen.wait_for_receipts(1)
        with (box / "kept").open("r+b") as kept:
            if grip == "mapping":
                with mmap.mmap(kept.fileno(), 0) as mapped:
                    mapped[:6] = b"SECRET"
            else:
                kept.write(b"SECRET")
    released = (box / "released" / "a").read_bytes()
    assert released == b"clean bytes"
    assert hashlib.sha256(released).hexdigest() == decider.digests["a"]
    assert (box / "released" / "a").stat().st_nlink == 1


@pytest.mark.parametrize("content", [b"text", b"SLOW to be judged"])
def test_a_hard_link_in_the_outbox_crosses_for_itself(box: Path, content: bytes) -> None:
    """Two names of one file are two files that cross, one after the other."""
    os.link(put(box, "a", content), box / "outbox" / "b")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(2)
    assert names(box / "released") == ["a", "b"]
    assert [receipt.enforcement for receipt in seen.decider.receipts] == [Enforcement.ALLOWED] * 2


def test_a_writer_is_waited_for(box: Path) -> None:
    """A file that somebody can still write is not judged, however long it is quiet."""
    put(box, "closed")
    with put(box, "open").open("ab") as writer, watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
        seen.wait(lambda: any("written" in r for r in seen.status()["may_have_missed"][str(box)]))
        time.sleep(0.3)
        assert names(box / "released") == ["closed"]
        writer.write(b" more")
        writer.close()
        seen.wait_for_receipts(2)
    assert (box / "released" / "open").read_bytes() == b"text more"


def test_what_changes_while_it_is_judged_is_judged_anew(box: Path) -> None:
    """A change through a kept link during the scan makes the verdict void."""
    path = put(box, "a", b"SLOW clean")
    os.link(path, box / "kept")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait(lambda: seen.workers.submitted)
        (box / "kept").write_bytes(b"PRIVATE now")
        seen.wait_for_receipts(2)
    assert names(box / "released") == []
    assert (box / "held" / "a").read_bytes() == b"PRIVATE now"


def test_a_file_put_under_the_name_meanwhile_crosses_too(box: Path) -> None:
    """The name in the outbox is free at once; both files cross, neither replaces the other."""
    put(box, "a", b"SLOW one")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait(lambda: seen.workers.submitted)
        put(box, "a", b"two")
        seen.wait_for_receipts(2)
    assert {p.read_bytes() for p in (box / "released").iterdir()} == {b"SLOW one", b"two"}


def test_a_taken_name_is_kept(box: Path) -> None:
    """A name that is taken, in released or held, is kept; the new file gets another."""
    for folder, content in (("released", b"text"), ("held", b"PRIVATE")):
        (box / folder).mkdir(0o700)
        (box / folder / folder).write_bytes(b"old")
        put(box, folder, content)
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(2)
    for folder in ("released", "held"):
        assert (box / folder / folder).read_bytes() == b"old"
    assert len(names(box / "released")) == 2
    assert len(names(box / "held")) == 3


STRANGE = ["line\nbreak", "-rf", " ", "\udcff\udcfe", "x" * 255, ".hidden", "a.lockgate.json"]


@pytest.mark.parametrize("content", [b"text", b"PRIVATE"], ids=["released", "held"])
def test_strange_names_cross(box: Path, content: bytes) -> None:
    """Whatever a filesystem takes as a name crosses under that name, or an id if it is too long."""
    for name in STRANGE:
        put(box, name, content)
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(len(STRANGE))
    folder = box / ("released" if content == b"text" else "held")
    kept = {p.name for p in folder.iterdir()}
    wanted = set(STRANGE) if content == b"text" else set(STRANGE) - {"x" * 255}
    assert wanted <= kept
    assert names(box / "outbox") == []


def test_folders_keep_their_shape(box: Path) -> None:
    """A file in a folder of the outbox is released in the folder of that name."""
    with watching(box, Mode.OUTBOX, outbox) as seen:
        put(box, "a/b/c")
        put(box, "a/d")
        seen.wait_for_receipts(2)
    assert names(box / "released") == ["a/b/c", "a/d"]
    assert stat.S_IMODE((box / "released" / "a").stat().st_mode) & 0o022 == 0


def test_what_is_no_regular_file_stays(box: Path) -> None:
    """Links, FIFOs and folders behind links stay where they are, are counted, and block nothing."""
    secret = box / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"text")
    (box / "outbox" / "link").symlink_to(secret / "key")
    (box / "outbox" / "folder").symlink_to(secret)
    os.mkfifo(box / "outbox" / "fifo")
    put(box, "plain")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
        seen.wait(lambda: any("3 that" in r for r in seen.status()["may_have_missed"][str(box)]))
    assert names(box / "released") == ["plain"]
    assert names(box / "outbox") == ["fifo", "folder", "link"]


def test_a_path_through_a_link_is_not_taken(box: Path, tmp_path: Path) -> None:
    """A folder that became a link after it was looked into leads nowhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_bytes(b"text")
    (box / "outbox" / "folder").symlink_to(elsewhere)
    staging = Staging(box)
    with pytest.raises(OSError, match="directory"):
        staging.take(Path("folder/a"), 0.0, time.time() + 10)
    assert (elsewhere / "a").exists()
    staging.close()


def test_a_full_disk_leaves_the_file_in_the_outbox(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that does not fit is put back, said so, and made when there is room."""
    room: list[bool] = []
    real = os.copy_file_range

    def copy_file_range(*arguments: int) -> int:
        if not room:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    monkeypatch.setattr("lockgate.agent.watch.outbox._AFTER_FAILURE_S", 0.1)
    put(box, "a")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait(lambda: any("no space" in r for r in seen.status()["may_have_missed"][str(box)]))
        room.append(True)
        seen.wait_for_receipts(1)
    assert (box / "released" / "a").read_bytes() == b"text"


class AbsentDecider(FakeDecider):
    """A decider whose controller is away until it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.asked = 0

    def request(self, job: int, transfer: Transfer, report: Report) -> None:
        """Hold while the controller is away."""
        self.asked += 1
        if not self.away:
            super().request(job, transfer, report)
            return
        self._decisions.append((job, hold(HoldReason.CONTROLLER_UNREACHABLE)))
        os.eventfd_write(self._ready, 1)


def test_without_a_controller_files_wait(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held for want of the controller; it is asked for one file, then for all."""
    monkeypatch.setattr("lockgate.agent.watch.outbox._FIRST_PAUSE_S", 0.2)
    for number in range(100):
        put(box, str(number))
    decider = AbsentDecider()
    with watching(box, Mode.OUTBOX, outbox, decider) as seen:
        seen.wait(lambda: decider.asked > 65)
        assert names(box / "released") == names(box / "held") == []
        assert len(names(box / "outbox")) == 36
        assert any("wait" in r for r in seen.status()["may_have_missed"][str(box)])
        decider.away = False
        seen.wait(lambda: len(names(box / "released")) == 100)
    assert len({t.transfer_id for t in decider.transfers}) == len(decider.transfers) == 100


def test_a_lost_scan_is_tried_again_then_held(box: Path) -> None:
    """A file that kills its worker is scanned three times and then held."""
    put(box, "deadly", b"LOST")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait((box / "held" / "deadly.lockgate.json").exists)
        seen.wait_for_receipts(3)
    assert len(seen.workers.submitted) == 3


def test_one_agent_at_a_time(box: Path) -> None:
    """A second agent on the same outbox is refused, and told why."""
    with watching(box, Mode.OUTBOX, outbox), pytest.raises(StagingError, match="another agent"):
        Staging(box)


def test_a_released_folder_that_others_may_write_is_refused(box: Path) -> None:
    """Whoever may write to released could put files past the verdict."""
    (box / "released").mkdir()
    (box / "released").chmod(0o777)
    with pytest.raises(StagingError, match="nobody else may write"):
        Staging(box)


def test_holes_stay_holes(box: Path) -> None:
    """A sparse file does not fill the disk on its way."""
    path = box / "outbox" / "sparse"
    with path.open("wb") as target:
        target.seek(8 << 20)
        target.write(b"end")
        target.truncate(16 << 20)
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
    released = box / "released" / "sparse"
    assert released.stat().st_blocks * 512 < 1 << 18
    assert released.stat().st_size == 16 << 20
    with released.open("rb") as source:
        source.seek(8 << 20)
        assert source.read(3) == b"end"


class AbruptError(Exception):
    """Death, as far as one process can have it."""


STEPS = ("os.rename", "os.fsync", "os.utime", "os.open", "pathlib.Path.replace", "os.mkdir")


@pytest.mark.parametrize("content", [b"text", b"PRIVATE"], ids=["released", "held"])
def test_death_between_any_two_steps_loses_and_doubles_nothing(
    box: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """However often the steps of one file are cut short, it arrives once, whole."""
    left = 0

    def dying(real: object) -> object:
        def call(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise AbruptError
            return real(*arguments, **named)  # type: ignore[operator]

        return call

    def steps() -> None:
        staging = Staging(box)
        try:
            waiting = list(staging.left_over(()))
            fresh = [Path(n) for n in names(staging.outbox)]
            waiting += [staging.take(path, 0.0, time.time() + 10) for path in fresh]
            for staged in waiting:
                finish(staging, staged)
        finally:
            staging.close()

    def finish(staging: Staging, staged: Staged) -> None:
        fd = staging.copy(staged)
        try:
            staging.make_durable([fd])
        finally:
            os.close(fd)
        allowed = content == b"text"
        target = staging.release(staged) if allowed else staging.hold(staged, {"why": "test"})
        staging.settle({staged.key: target})

    put(box, "folder/name", content)
    cuts = 0
    while True:
        left = cuts
        with monkeypatch.context() as patch:
            for name in STEPS:
                module, _, attribute = name.rpartition(".")
                owner = {"os": os, "pathlib.Path": Path}[module]
                patch.setattr(owner, attribute, dying(getattr(owner, attribute)))
            try:
                steps()
                break
            except AbruptError:
                cuts += 1
    assert cuts > 10
    steps()
    assert names(box / ".staged") == names(box / "outbox") == []
    arrived = names(box / "released") + names(box / "held")
    sidecar = ["folder/name.lockgate.json"] * (content != b"text")
    assert arrived == ["folder/name", *sidecar]


def test_killed_at_any_moment_each_file_arrives_once(box: Path) -> None:
    """A hundred SIGKILLs in the middle of a stream of files: each arrives once, with its bytes."""
    chance = random.Random(20231102)
    written: dict[str, bytes] = {}
    arrived: dict[str, bytes] = {}
    agents = subprocess.Popen(
        [sys.executable, PROGRAM, box], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert agents.stdin is not None
    assert agents.stdout is not None
    for life in range(100):
        for number in range(6):
            name = f"{life}-{number}"
            written[name] = (b"PRIVATE " if number == 5 else b"clean ") + name.encode()
            fresh = box / f".{name}"
            fresh.write_bytes(written[name])
            fresh.rename(box / "outbox" / name)
        agents.stdin.write(f"{chance.uniform(0.0, 0.05)}\n")
        agents.stdin.flush()
        assert agents.stdout.readline() == "DEAD\n"
        _collect(box, arrived)
    agents.stdin.close()
    agents.wait()
    agents.stdout.close()
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait(lambda: not names(box / "outbox") and not names(box / ".staged"))
        seen.wait(lambda: _collect(box, arrived) or len(arrived) == len(written))
    assert arrived == written


def _collect(box: Path, arrived: dict[str, bytes]) -> None:
    """Take out what has arrived, as a receiver does; nothing may arrive a second time."""
    for folder in ("released", "held"):
        for path in (box / folder).iterdir():
            if path.name.endswith(".lockgate.json"):
                continue
            assert path.name not in arrived, "arrived twice"
            arrived[path.name] = path.read_bytes()
            path.unlink()


class SilentWorkers(FakeWorkers):
    """Scans nothing: a storm measures the outbox, not the scanner."""

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
        """Scan at once."""
        self._scan(job, os.dup(fd), path)


def storm(box: Path, count: int) -> None:
    """Put in ``count`` files as fast as they can be written while the agent runs."""
    with watching(box, Mode.OUTBOX, outbox, None, SilentWorkers()) as seen:
        for number in range(count):
            put(box, f"{number % 10}/{number}", f"file {number}".encode())
        seen.wait(lambda: len(seen.decider.receipts) >= count, 1800)
    released = {p.name: p for p in (box / "released").rglob("*") if p.is_file()}
    assert len(names(box / "released")) == count
    assert set(released) == {str(number) for number in range(count)}
    assert len(seen.decider.receipts) == count
    sample = random.Random(7).sample(range(count), 100)
    assert all(released[str(n)].read_bytes() == f"file {n}".encode() for n in sample)


def test_a_storm_loses_nothing(box: Path) -> None:
    """5,000 files written at once into ten folders are released, each once."""
    storm(box, 5_000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_storm_of_100000_loses_nothing(box: Path) -> None:
    """100,000 files written at once into ten folders are released, each once."""
    storm(box, 100_000)


def test_receipts_name_where_a_file_went(box: Path) -> None:
    """The receipt of a released file says where it is."""
    put(box, "a")
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
    receipt: Receipt = seen.decider.receipts[0]
    assert receipt.detail == f"moved to {box}/released/a"
