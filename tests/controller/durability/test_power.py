"""Power cuts of the whole machine: a controller and its database on a disk that loses power."""

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "powercut")]

import postgres  # noqa: E402  # shared by path, not installed
from disk import power_disk  # noqa: E402
from verdict_load import Load, check, verify  # noqa: E402

pytestmark = pytest.mark.root

SMALL = {"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_writer_delay": "10s"}
#: How many cuts; `make soak` makes the many.
CUTS = [3, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]


@pytest.fixture
def disk():
    """A disk whose power can be cut, in a folder that others may pass through."""
    with tempfile.TemporaryDirectory(prefix="lockgate-cut-") as folder:
        Path(folder).chmod(0o711)
        with power_disk(Path(folder), megabytes=384) as made:
            yield made


@pytest.fixture
def server(disk):
    """A database server on that disk."""
    if postgres.programs() is None:
        pytest.skip("needs PostgreSQL (Debian: apt-get install postgresql)")
    (disk.path / "pg").mkdir()
    made = postgres.Cluster(disk.path / "pg", **SMALL)
    made.initialise()
    made.start()
    yield made
    made.kill()


@pytest.fixture(params=["sqlite", "postgresql"])
def server_or_none(request):
    """The database server, where the store is not a file."""
    return None if request.param == "sqlite" else request.getfixturevalue("server")


@contextlib.contextmanager
def standing_still(pids):
    """Nothing of all this runs, as after the cut."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def cut(disk, name, controller, server, load):
    """What had been answered when the power went, and what the disk holds after it."""
    with contextlib.ExitStack() as stack:
        with standing_still([controller.process.pid, *(server.pids() if server else [])]):
            recovered = stack.enter_context(disk.after_power_cut(name))
            answered = load.answered()
        yield answered, recovered


@contextlib.contextmanager
def database_on(recovered, server):
    """The setting ``database`` of the controller that comes up after the cut."""
    if server is None:
        yield ""
        return
    again = postgres.Cluster(recovered / "pg", **SMALL)
    again.forget_process()
    again.start()
    try:
        yield again.url()
    finally:
        again.kill()


def started(disk, server, new_controller, *options):
    """A running controller on the disk."""
    made = new_controller(disk.path / "state", server.database() if server else "", options)
    made.initialise()
    os.sync()
    return made.start()


def wait_for_answers(load, count):
    """Wait until more than so many were given: a cut before there is any shows nothing."""
    end = time.monotonic() + 120
    while len(load.answered()) <= count:
        assert time.monotonic() < end, "too few answers"
        time.sleep(0.05)


@pytest.mark.parametrize("cuts", CUTS)
def test_no_decision_is_lost_or_doubled_at_a_power_cut(
    disk, server_or_none, samples, new_controller, cuts
):
    """What was answered before the cut is in the ledger after it, and is answered the same."""
    server = server_or_none
    controller = started(disk, server, new_controller)
    agents = [controller.enrol(f"host-{n}") for n in range(4)]
    load = Load([controller], agents, samples)
    try:
        for number in range(cuts):
            wait_for_answers(load, 20 + len(load.answered()))
            time.sleep(random.uniform(0.5, 1.5))
            with (
                cut(disk, f"cut-{number}", controller, server, load) as (answered, recovered),
                database_on(recovered, server) as database,
            ):
                found = new_controller(recovered / "state", database)
                found.configure()
                found.start()
                again = type(agents[0])(found, agents[0].host, agents[0].key, agents[0].chain)
                check(found, again, answered)
                again.channel.close()
                assert found.stop() == 0
                assert verify(found).startswith("whole:")
    finally:
        load.stop()
    assert len(load.answered()) > 20


def test_the_harness_sees_a_database_that_does_not_sync(disk, server, samples, new_controller):
    """With asynchronous commits the same cut loses decisions, so the test above can fail.

    The server writes now and then all the same: a cut in that moment loses nothing, the next does.
    """
    controller = started(disk, server, new_controller, "--durability", "OFF")
    agents = [controller.enrol("host-1")]
    load = Load([controller], agents, samples)
    lost = []
    try:
        for number in range(5):
            wait_for_answers(load, 20 + len(load.answered()))
            time.sleep(1.5)
            with (
                cut(disk, f"cut-{number}", controller, server, load) as (answered, recovered),
                database_on(recovered, server) as database,
            ):
                found = new_controller(recovered / "state", database)
                found.configure()
                kept = {entry.get("request_id") for entry in found.entries()}
            lost = [asked for asked in answered if asked.request.request_id not in kept]
            if lost:
                break
    finally:
        load.stop()
    assert lost
