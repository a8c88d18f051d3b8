"""A PostgreSQL database whose disk is full: refused meanwhile, and well again by itself."""

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

import postgres  # shared by path, not installed

pytestmark = pytest.mark.root

SMALL = {"max_wal_size": "32MB", "min_wal_size": "32MB"}
REASONS = {"store-full", "store-unavailable"}


@pytest.fixture
def small_server():
    """A server on a disk of its own of 160 MiB."""
    if postgres.programs() is None:
        pytest.skip("needs PostgreSQL (Debian: apt-get install postgresql)")
    with (
        tempfile.TemporaryDirectory(prefix="lockgate-full-") as folder,
        contextlib.ExitStack() as at,
    ):
        Path(folder).chmod(0o711)
        disk = Path(folder) / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=711", "lockgate-full", disk]
        subprocess.run(mount, check=True)
        at.callback(subprocess.run, ["umount", "-l", disk], check=True)
        (disk / "pg").mkdir()
        made = postgres.Cluster(disk / "pg", **SMALL)
        made.initialise()
        made.start()
        at.callback(made.kill)
        yield made


def fill(folder):
    """Leave nothing of the disk; the file that holds it."""
    filler = folder.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 65536):
            pass
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"x" * 512):
            pass
    return filler


def reason_of(call, request):
    """The reason for which a call is refused; None when it is answered."""
    try:
        call(request, timeout=30)
    except grpc.RpcError as error:
        return dict(error.trailing_metadata()).get("lockgate-reason", str(error.code()))
    return None


def test_a_full_database_refuses_and_recovers(small_server, new_controller, tmp_path, samples):
    """Nothing is answered that is not kept; once there is space, the same request is decided."""
    controller = new_controller(tmp_path / "state", small_server.database())
    controller.initialise()
    controller.start()
    agent = controller.enrol("host-1")
    kept = [agent.ask(samples.transfer(), samples.report()).ledger_index]
    filler = fill(small_server.folder)
    reason = None
    for _ in range(3000):
        request = agent.verdict_request(samples.transfer(), samples.report(samples.finding()))
        reason = reason_of(agent.stub.RequestVerdict, request)
        if reason is not None:
            break
    assert reason in REASONS
    assert controller.process.poll() is None
    filler.unlink()
    small_server.start()  # as an init system does, where the server gave up
    end = time.monotonic() + 60
    while reason is not None:
        assert time.monotonic() < end, reason
        assert reason in REASONS
        reason = reason_of(agent.stub.RequestVerdict, request)
    answer = agent.stub.RequestVerdict(request, timeout=10)
    entries = controller.entries()
    assert entries[answer.ledger_index]["request_id"] == request.request_id
    assert entries[kept[0]]["kind"] == "verdict"
    assert controller.process.poll() is None
    assert controller.stop() == 0
