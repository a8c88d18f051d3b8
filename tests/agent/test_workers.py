"""The pool gives exactly one report for every job, whatever its workers do."""

from __future__ import annotations

import gzip
import os
import select
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.workers.settings import (
    Account,
    AccountError,
    WorkerSettings,
    ZoneWorkers,
    worker_account,
)
from lockgate.agent.workers.worker import RULES_FAILED, RulesError, Told, rehearse
from lockgate.scan.protected import protected_key
from lockgate.scan.registry_toml import to_toml
from lockgate.scan.report import GapReason, Report

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from transfers import a_report

PROGRAM = Path(__file__).parents[1] / "fakes" / "worker_program.py"


def settings(program: Sequence[str] = (str(PROGRAM),), **more: Any) -> WorkerSettings:
    """Settings of obedient workers with a user that may be had here."""
    account = worker_account() if os.geteuid() == 0 else None
    return WorkerSettings(program=tuple(program), others=ZoneWorkers(account), **more)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """A pool of one obedient worker."""
    made = WorkerPool(settings())
    yield made
    made.close()


def submit(
    pool: WorkerPool, job: int, path: Path, order: str, timeout_s: float = 20, **more: Any
) -> None:
    """Submit a file that only its owner may read, and close our descriptor."""
    path.write_text(order)
    path.chmod(0o400)
    fd = os.open(path, os.O_RDONLY)
    pool.submit(job, fd, str(path), timeout_s, **more)
    os.close(fd)


def wait_for(pool: WorkerPool, count: int, timeout_s: float = 20) -> dict[int, Report]:
    """The next ``count`` results; a second result for a job fails the test."""
    found: dict[int, Report] = {}
    end = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < end:
        select.select(pool.filenos(), [], [], 0.5)
        for job, report in pool.collect():
            assert job not in found
            found[job] = report
    return found


def user_of(report: Report) -> int:
    """Who runs the worker that made a report."""
    return Path(f"/proc/{report.engine.version}").stat().st_uid


def test_a_private_file_is_scanned_through_its_descriptor(pool: WorkerPool, tmp_path: Path) -> None:
    """A worker without rights scans a file that only its owner may open."""
    submit(pool, 1, tmp_path / "a", "fine")
    report = wait_for(pool, 1)[1]
    assert not report.gaps
    assert os.geteuid() != 0 or user_of(report) != 0


@pytest.mark.parametrize("order", ["die", "raise"])
def test_a_dead_worker_gives_one_report_and_is_replaced(
    pool: WorkerPool, tmp_path: Path, order: str
) -> None:
    """A worker that dies in a scan gives a gap, and the next job is scanned."""
    submit(pool, 1, tmp_path / "a", order)
    submit(pool, 2, tmp_path / "b", "fine")
    found = wait_for(pool, 2)
    assert [gap.reason for gap in found[1].gaps] == [GapReason.WORKER_LOST]
    assert found[2].gaps == ()
    time.sleep(0.2)
    assert pool.collect() == []


def test_killing_the_worker_mid_scan_gives_a_gap(pool: WorkerPool, tmp_path: Path) -> None:
    """SIGKILL from outside while a scan runs ends in worker-lost."""
    submit(pool, 1, tmp_path / "a", "fine")
    wait_for(pool, 1)
    submit(pool, 2, tmp_path / "b", "hang")
    time.sleep(0.2)
    os.kill(pool.process_ids()[0], signal.SIGKILL)
    assert wait_for(pool, 1)[2].gaps[0].reason is GapReason.WORKER_LOST


def test_an_overrun_is_killed_and_says_so(pool: WorkerPool, tmp_path: Path) -> None:
    """A scan beyond its time limit ends in worker-lost with the limit."""
    submit(pool, 1, tmp_path / "a", "hang", timeout_s=0.3)
    gap = wait_for(pool, 1)[1].gaps[0]
    assert gap.reason is GapReason.WORKER_LOST
    assert "time-limit" in gap.detail


def test_a_cancelled_job_gives_nothing_and_frees_the_worker(
    pool: WorkerPool, tmp_path: Path
) -> None:
    """After a cancel the worker is free for the next job."""
    submit(pool, 1, tmp_path / "a", "hang")
    time.sleep(0.5)
    pool.cancel(1)
    submit(pool, 2, tmp_path / "b", "fine")
    assert set(wait_for(pool, 1)) == {2}


def test_workers_that_cannot_start_do_not_leave_jobs_waiting(tmp_path: Path) -> None:
    """A worker program that always fails gives up the jobs instead of waiting for ever."""
    pool = WorkerPool(settings(("-c", "raise SystemExit(1)")))
    submit(pool, 1, tmp_path / "a", "fine")
    assert wait_for(pool, 1)[1].gaps[0].reason is GapReason.WORKER_LOST
    pool.close()


def test_workers_without_rules_are_told_apart_and_shown(tmp_path: Path) -> None:
    """A worker whose rules fail ends jobs with ``rule-pack``, later ones at once, and says so."""
    pool = WorkerPool(settings(("-c", f"raise SystemExit({RULES_FAILED})")))
    submit(pool, 1, tmp_path / "a", "fine")
    assert wait_for(pool, 1)[1].gaps[0].reason is GapReason.RULE_PACK
    submit(pool, 2, tmp_path / "b", "fine")
    assert wait_for(pool, 1, timeout_s=2)[2].gaps[0].reason is GapReason.RULE_PACK
    assert "rules" in pool.weaknesses()[0]
    pool.close()


def test_a_good_pool_has_no_weakness(pool: WorkerPool, tmp_path: Path) -> None:
    """Status names nothing while workers start and stand."""
    submit(pool, 1, tmp_path / "a", "fine")
    wait_for(pool, 1)
    assert pool.weaknesses() == ()


class _Blind:
    """A scanner that finds nothing."""

    def scan_fd(
        self, fd: int, name: str, *, progress: Told | None = None, follow: bool = False
    ) -> Report:
        """Find nothing."""
        return a_report(name)


def test_a_scanner_that_overlooks_the_rehearsal_is_not_used() -> None:
    """Rules that load and do not find a plain key are no rules."""
    with pytest.raises(RulesError):
        rehearse(_Blind())


def test_a_worker_imports_nothing_after_it_gave_up_its_rights(tmp_path: Path) -> None:
    """Every module a scan needs is there before the worker's user changes."""
    key = rsa.generate_private_key(65537, 1024)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    numbers = key.private_numbers()
    bare = numbers.public_numbers.n.to_bytes(128, "little"), numbers.p.to_bytes(64, "little")
    (tmp_path / "key.gz").write_bytes(gzip.compress(pem))
    with tarfile.open(tmp_path / "key.tar", "w") as archive:
        archive.add(tmp_path / "key.gz", "key.gz")
    (tmp_path / "bare").write_bytes(bytes(64).join((b"", *bare, b"")))
    (tmp_path / "noise").write_bytes(os.urandom(1 << 18))
    program = (
        "import os, sys; from lockgate.agent.workers import worker;"
        "line = ['--socket', '0', '--parent', '1', '--memory', '1'];"
        "scanner = worker._standard_scanner(worker.options(line)); before = set(sys.modules);"
        "found = [scanner.scan_fd(os.open(n, 0), n).outcome.value for n in sys.argv[1:]];"
        "print(found, sorted(set(sys.modules) - before))"
    )
    files = [tmp_path / name for name in ("key.gz", "key.tar", "bare", "noise")]
    command = [sys.executable, "-c", program, *map(str, files)]
    shown = subprocess.run(command, capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "['found', 'found', 'found', 'clean'] []"


def test_the_agent_imports_nothing_that_parses_hostile_bytes() -> None:
    """numpy, gmpy2 and yara live in the worker only."""
    program = (
        "import sys, lockgate.agent.cli.app, lockgate.agent.run, lockgate.agent.watch.watch, "
        "lockgate.agent.guard.loop;"
        "print([m for m in ('numpy', 'gmpy2', 'yara') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout.strip() == b"[]"


def until(true: Callable[[], bool], timeout_s: float = 20) -> bool:
    """Whether ``true`` came true in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_an_open_does_not_wait_for_a_background_scan(pool: WorkerPool, tmp_path: Path) -> None:
    """While a background scan holds the only worker, an open gets one of its own."""
    submit(pool, 1, tmp_path / "a", "hang", background=True)
    assert until(lambda: pool.waiting() == 0)
    submit(pool, 2, tmp_path / "b", "fine")
    submit(pool, 3, tmp_path / "c", "fine", background=True)
    assert set(wait_for(pool, 1)) == {2}
    assert pool.waiting() == 1


def test_opens_go_before_background_work(pool: WorkerPool, tmp_path: Path) -> None:
    """A background job that waits longer is still served after an open."""
    submit(pool, 1, tmp_path / "a", "hang", timeout_s=2)
    assert until(lambda: pool.waiting() == 0)
    submit(pool, 2, tmp_path / "b", "fine", background=True)
    submit(pool, 3, tmp_path / "c", "fine")
    order = []
    while len(order) < 3:
        order += list(wait_for(pool, 1))
    assert order == [1, 3, 2]


def test_zones_have_workers_of_their_own_and_share_a_bound(tmp_path: Path) -> None:
    """A zone's file never meets another zone's worker, and no more than ``most`` stand."""
    pool = WorkerPool(settings(most=2))
    seen = set()
    for job, zone in enumerate(["a", "b", "c", "a"]):
        submit(pool, job, tmp_path / f"{job}", "fine", zone=zone)
        seen.add((zone, wait_for(pool, 1)[job].engine.version))
        assert len(pool.process_ids()) <= 2
    pool.close()
    assert len({pid for _, pid in seen}) == len(seen)
    assert len(seen) >= 3


@pytest.mark.root
def test_a_zone_may_have_a_user_of_its_own(tmp_path: Path) -> None:
    """The scans of a zone run as the user that its settings name."""
    zones = {"a": ZoneWorkers(Account(12345, 12345))}
    pool = WorkerPool(settings(zones=zones))
    submit(pool, 1, tmp_path / "a", "fine", zone="a")
    submit(pool, 2, tmp_path / "b", "fine", zone="b")
    found = wait_for(pool, 2)
    users = user_of(found[1]), user_of(found[2])
    pool.close()
    assert users[0] == 12345
    assert users[1] not in {12345, 0}


def test_a_user_that_does_not_exist_or_is_root_is_refused() -> None:
    """A zone cannot have its scans run by nobody known, nor by root."""
    for name in ("lockgate-no-such-user", "root"):
        with pytest.raises(AccountError):
            worker_account((name,))


def test_a_running_scan_tells_how_far_it_is(pool: WorkerPool, tmp_path: Path) -> None:
    """Progress has the bytes done and a time left; jobs that wait or ended have none."""
    assert pool.progress(1) is None
    submit(pool, 1, tmp_path / "a", "hang")
    submit(pool, 2, tmp_path / "b", "fine")
    assert until(lambda: bool((known := pool.progress(1)) and known.done_bytes))
    known = pool.progress(1)
    assert known is not None
    assert (known.done_bytes, known.total_bytes) == (1, 4)
    assert known.remaining_s > 0
    assert pool.progress(2) is None


def test_an_overrun_makes_the_estimate_longer(pool: WorkerPool, tmp_path: Path) -> None:
    """What was measured is what is expected: also of a scan that did not end in time."""
    submit(pool, 1, tmp_path / "a", "hang", timeout_s=0.7)
    wait_for(pool, 1)
    assert pool.estimate_s(4) >= 0.7


def test_a_worker_cannot_speak_for_another_file(pool: WorkerPool, tmp_path: Path) -> None:
    """A report bears the path that was submitted, whatever the worker says."""
    submit(pool, 1, tmp_path / "a", "lie")
    assert wait_for(pool, 1)[1].path == str(tmp_path / "a")


def test_keys_that_are_registered_later_are_looked_for_from_then_on(tmp_path: Path) -> None:
    """A lone prime is nothing, until its modulus is registered; the old worker is let go."""
    key = rsa.generate_private_key(65537, 2048)
    prime = key.private_numbers().p.to_bytes(128, "big")
    file, registry = tmp_path / "core", tmp_path / "registry.toml"
    file.write_bytes(os.urandom(4096) + prime + os.urandom(4096))
    protected = protected_key("token-signing", key.public_key())
    registry.write_text(to_toml([protected]))
    pool = WorkerPool(settings(program=("-m", "lockgate.agent.workers.worker")))
    try:
        found = []
        for job, files in ((1, []), (2, [registry]), (3, [])):
            pool.look_for(files)
            fd = os.open(file, os.O_RDONLY)
            pool.submit(job, fd, str(file), 60)
            os.close(fd)
            found.append({f.fingerprint for f in wait_for(pool, 1, 120)[job].findings})
        assert found == [set(), {protected.fingerprint}, set()]
        assert len(pool.process_ids()) == 1
    finally:
        pool.close()
