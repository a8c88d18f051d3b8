"""Background scans stand behind everything else; scans that an open waits for do not."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.workers.priority import BACKGROUND, WAITED_FOR
from lockgate.agent.workers.settings import WorkerSettings, ZoneWorkers, worker_account

from .conftest import wait_until

pytestmark = pytest.mark.root

PROGRAM = Path(__file__).parents[1] / "fakes" / "worker_program.py"


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """Obedient workers of another user."""
    others = ZoneWorkers(worker_account())
    made = WorkerPool(WorkerSettings(program=(str(PROGRAM),), others=others))
    yield made
    made.close()


def scanned_by(pool: WorkerPool, path: Path, *, background: bool) -> int:
    """The worker that scanned a file."""
    path.write_text("fine")
    fd = os.open(path, os.O_RDONLY)
    pool.submit(1, fd, str(path), 20, background=background)
    os.close(fd)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        select.select(pool.filenos(), [], [], 0.5)
        if found := pool.collect():
            return int(found[0][1].engine.version)
    raise AssertionError("no report")


def io_class(pid: int) -> str:
    """What ionice(1) says of a process."""
    shown = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True)
    return shown.stdout.strip()


def test_one_worker_changes_its_place_with_its_work(pool: WorkerPool, tmp_path: Path) -> None:
    """Idle for a background scan, a batch job again for an open, and idle again."""
    for background in (True, False, True):
        pid = scanned_by(pool, tmp_path / "file", background=background)
        wanted = BACKGROUND if background else WAITED_FOR
        assert os.sched_getscheduler(pid) == wanted.policy
        assert os.getpriority(os.PRIO_PROCESS, pid) == wanted.nice
        assert io_class(pid) == ("idle" if background else "best-effort: prio 5")


def test_a_background_scan_that_somebody_waits_for_is_hastened(
    pool: WorkerPool, tmp_path: Path
) -> None:
    """On a busy host an open would else wait for processor time that never comes."""
    path = tmp_path / "file"
    path.write_text("hang")
    with path.open() as file:
        for number in (1, 2):
            pool.submit(number, file.fileno(), str(path), 20, background=True)
        wait_until(lambda: pool.waiting() == 1)
        (pid,) = pool.process_ids()
        wait_until(lambda: os.sched_getscheduler(pid) == BACKGROUND.policy)
        pool.hasten(1)
        wait_until(lambda: os.sched_getscheduler(pid) == WAITED_FOR.policy)
        pool.hasten(3)
        pool.cancel(1)
        pool.cancel(2)


def test_a_waiting_job_that_is_hastened_goes_first(pool: WorkerPool, tmp_path: Path) -> None:
    """It does not stay behind the background scan that runs."""
    path, running = tmp_path / "file", tmp_path / "running"
    path.write_text("fine")
    running.write_text("hang")
    with path.open() as file, running.open() as hanging:
        pool.submit(1, hanging.fileno(), "running", 20, background=True)
        pool.submit(2, file.fileno(), "file", 20, background=True)
        pool.hasten(2)
        wait_until(lambda: [job for job, _ in pool.collect()] == [2], 30)
        pool.cancel(1)


def test_a_process_that_is_gone_is_no_error() -> None:
    """A worker may die while it is given its place."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    BACKGROUND.give(done.pid)
