"""Audit: each open is told with its would-be verdict and who opened; nobody is stopped."""

from __future__ import annotations

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

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from guard_neighbours import FakeDecider, FakeWorkers
from watched import Watched, audit, watching

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.watch.judging import Judging
from lockgate.wire.transfer import Boundary, Enforcement, Verdict

pytestmark = pytest.mark.root
PROGRAM = Path(__file__).parents[1] / "fakes" / "monitor_program.py"


@pytest.fixture
def zone() -> Iterator[Path]:
    """A tmpfs of its own, so that nobody else's opens are seen."""
    with tempfile.TemporaryDirectory(prefix="lockgate-h-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "lockgate-h", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


SHELL = Path("/bin/sh").resolve()
READ_ALL = """
for file; do
    while IFS= read -r line || [ -n "$line" ]; do printf %s "$line"; done <"$file"
done
exec >&-
read -r end || :
"""


def read(seen: Watched, *paths: Path, user: int | None = None) -> bytes:
    """What a shell reads, which lives until it was looked at."""
    words = [SHELL, "-c", READ_ALL, "sh", *paths]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, user=user) as shell:
        assert shell.stdout is not None
        content = shell.stdout.read()
        for _ in range(2):  # what is told of a turn comes before its events are read
            turned = threading.Event()
            seen.at_next_turn(turned.set)
            assert turned.wait(30)
    assert shell.returncode == 0
    return content


def test_an_open_is_told_with_its_opener(zone: Path) -> None:
    """A dirty file is read by another process; the receipt says what a guard would have done."""
    (zone / "dirty").write_bytes(b"PRIVATE")
    with watching(zone, Mode.AUDIT, audit) as seen:
        assert read(seen, zone / "dirty") == b"PRIVATE"
        seen.wait_for_receipts(1)
    (receipt,) = seen.decider.receipts
    (transfer,) = seen.decider.transfers
    assert receipt.enforcement is Enforcement.NOT_ENFORCED
    assert (receipt.verdict, receipt.errno_value) == (Verdict.BLOCK, 0)
    assert transfer.boundary is Boundary.OPEN
    assert receipt.opener is not None
    assert receipt.opener.executable == str(SHELL)
    assert receipt.opener.uid == 0


def test_repeats_of_a_clean_file_are_counted(zone: Path) -> None:
    """A clean file is judged once; further opens are a number."""
    (zone / "clean").write_bytes(b"text")
    with watching(zone, Mode.AUDIT, audit) as seen:
        read(seen, zone / "clean")
        seen.wait_for_receipts(1)
        for _ in range(3):
            read(seen, zone / "clean")
        seen.wait(lambda: seen.status()["counts"].get("repeats", 0) == 3)
    assert len(seen.decider.receipts) == 1
    assert seen.status()["counts"]["opens"] == 4


def test_each_program_and_user_is_told_of_a_dirty_file(zone: Path) -> None:
    """A second user of a dirty file is told without a second scan, and only once."""
    zone.chmod(0o755)
    (zone / "dirty").write_bytes(b"SECRET")
    with watching(zone, Mode.AUDIT, audit) as seen:
        read(seen, zone / "dirty")
        seen.wait_for_receipts(1)
        read(seen, zone / "dirty", user=65534)
        read(seen, zone / "dirty", user=65534)
        seen.wait_for_receipts(2)
        seen.wait(lambda: seen.status()["counts"]["opens"] == 3)
    assert [r.opener and r.opener.uid for r in seen.decider.receipts] == [0, 65534]
    assert len({r.transfer_id for r in seen.decider.receipts}) == 2
    assert len(seen.workers.submitted) == 1


def test_a_changed_file_is_judged_again(zone: Path) -> None:
    """A verdict is kept for bytes, not for a name."""
    (zone / "a").write_bytes(b"text")
    with watching(zone, Mode.AUDIT, audit) as seen:
        read(seen, zone / "a")
        seen.wait_for_receipts(1)
        (zone / "a").write_bytes(b"PRIVATE")
        read(seen, zone / "a")
        seen.wait_for_receipts(2)
    assert [r.verdict for r in seen.decider.receipts] == [Verdict.ALLOW, Verdict.BLOCK]


def test_opens_outside_the_folder_are_not_told(zone: Path) -> None:
    """A zone that is a part of its filesystem is told of its own, and says what that misses."""
    for folder in ("in", "out"):
        (zone / folder).mkdir()
        (zone / folder / folder).write_bytes(b"text")
    with watching(zone / "in", Mode.AUDIT, audit) as seen:
        read(seen, zone / "out" / "out")
        read(seen, zone / "in" / "in")
        seen.wait_for_receipts(1)
        (reasons,) = seen.status()["may_have_missed"].values()
    assert seen.decider.receipts[0].path == str(zone / "in" / "in")
    assert any("hard link" in reason for reason in reasons)


def test_overload_is_bounded_and_said(zone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opens beyond the bound are skipped, counted, and named; the reader gets them all."""
    monkeypatch.setattr("lockgate.agent.watch.audit._AT_ONCE", 4)
    files = [zone / f"f{number}" for number in range(20)]
    for path in files:
        path.write_bytes(b"NEVER ends")
    with watching(zone, Mode.AUDIT, audit, FakeDecider()) as seen:
        assert read(seen, *files) == b"NEVER ends" * 20
        seen.wait(lambda: seen.status()["counts"].get("skipped") == 16)
        (reasons,) = seen.status()["may_have_missed"].values()
    assert len(seen.workers.submitted) == 4
    assert any(f"16 opens were skipped under load, the last of {zone}/f" in r for r in reasons)


def test_a_stopped_audit_delays_nobody(zone: Path) -> None:
    """Opens go on as ever while the agent is stopped; what the queue could not hold is counted."""
    (zone / "a").write_bytes(b"SECRET")
    agent = subprocess.Popen(
        [sys.executable, PROGRAM, "audit", zone], stdout=subprocess.PIPE, text=True
    )
    try:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "READY\n"
        agent.send_signal(signal.SIGSTOP)
        before = time.monotonic()
        for _ in range(5_000):
            assert (zone / "a").read_bytes() == b"SECRET"
        assert time.monotonic() - before < 20
    finally:
        agent.send_signal(signal.SIGCONT)
        agent.kill()
        agent.wait()
        assert agent.stdout is not None
        agent.stdout.close()


def test_an_overflow_is_counted(zone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More opens than the kernel's queue keeps, while nobody reads it, are told as an overflow."""
    monkeypatch.setattr("lockgate.agent.watch.audit._AT_ONCE", 1)
    monkeypatch.setattr("lockgate.agent.watch.audit._READ_S", 60.0)
    limit = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    for number in range(limit + 100):
        (zone / str(number)).write_bytes(b"text")
    workers, decider = FakeWorkers(), FakeDecider()
    judging: Judging[Any] = Judging(workers, decider, 60.0)
    audited = audit(ZoneSettings(zone, mode=Mode.AUDIT), judging)
    subprocess.run(["grep", "-rc", "nothing", zone], check=False, stdout=subprocess.DEVNULL)
    audited.turn()
    assert audited.counts["overflows"] == 1
    assert audited.counts["skipped"] > limit - 100
    assert any("overflowed" in reason for reason in audited.status()["reasons"])
    audited.close()
    judging.close()
