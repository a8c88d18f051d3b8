"""What was acknowledged survives a power cut, and the harness sees the loss when it does not."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "powercut"), str(TESTS / "incident"), str(TESTS / "fakes")]

from disk import Disk, power_disk  # noqa: E402  # shared by path, not installed
from parts import Controller, run  # noqa: E402
from peer import Peer  # noqa: E402

from lockgate.agent.uplink.spool import Spool  # noqa: E402
from lockgate.v1 import decision_pb2_grpc  # noqa: E402

LEAST_RECORDS = 20
LEAST_VERDICTS = 50

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="needs root and mkfs.ext4"
    ),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk whose power can be cut."""
    with power_disk(tmp_path) as made:
        yield made


def _acknowledged(process: subprocess.Popen[str], seconds: float) -> set[int]:
    """Every number printed within ``seconds`` of the first; then the writer stands still.

    On a slow machine it has as long as it needs for some.
    """
    assert process.stdout is not None
    numbers = {int(process.stdout.readline())}
    end, latest = time.monotonic() + seconds, time.monotonic() + 60
    while time.monotonic() < (end if len(numbers) > LEAST_RECORDS else latest):
        numbers.add(int(process.stdout.readline()))
    process.send_signal(signal.SIGSTOP)
    return numbers


def _lost_from_spool(disk: Disk, durability: str, seconds: float) -> tuple[int, int]:
    """(acknowledged, lost) of a spool whose machine loses power while it is written."""
    writer = [sys.executable, str(TESTS / "powercut" / "spool_writer.py")]
    folder = disk.path / "spool"
    process = subprocess.Popen(
        [*writer, str(folder), durability], stdout=subprocess.PIPE, text=True
    )
    try:
        safe = _acknowledged(process, seconds)
        with disk.after_power_cut(f"cut-{durability}") as recovered:
            spool = Spool(recovered / "spool")
            kept = {record.number for record in spool.pending()}
            spool.close()
    finally:
        process.kill()
        process.wait()
    return len(safe), len(safe - kept)


@pytest.mark.parametrize("seconds", [0.7, 1.3])
def test_the_spool_loses_nothing_that_was_synced(disk: Disk, seconds: float) -> None:
    """Every record that was said to be safe is there after the cut."""
    safe, lost = _lost_from_spool(disk, "durable", seconds)

    assert safe > LEAST_RECORDS
    assert lost == 0


def test_the_harness_sees_a_spool_without_fsync_lose_records(disk: Disk) -> None:
    """Without fsync the same cut loses records, so the test above can fail."""
    safe, lost = _lost_from_spool(disk, "careless", 1.0)

    assert safe > LEAST_RECORDS
    assert lost > 0


async def _ask_until(peer: Peer, seconds: float) -> dict[int, str]:
    """Verdicts that were answered within ``seconds``: ledger index -> transfer id.

    On a slow machine there is as long as is needed for some.
    """
    answered: dict[int, str] = {}
    async with peer.channel() as channel:
        stub = decision_pb2_grpc.DecisionServiceStub(channel)
        end, latest = time.monotonic() + seconds, time.monotonic() + 60

        async def ask_on(first: int) -> None:
            number = first
            while time.monotonic() < (end if len(answered) > LEAST_VERDICTS else latest):
                request = peer.request(number)
                response = await stub.RequestVerdict(request, timeout=20)
                answered[response.ledger_index] = request.transfer.transfer_id
                number += 8

        await asyncio.gather(*(ask_on(n) for n in range(8)))
    return answered


def _ledger_after_cut(disk: Disk, tmp_path: Path, durability: str) -> tuple[dict[int, str], Path]:
    """Answered verdicts, and an export of the ledger that a machine finds after the cut."""
    controller = Controller(disk.path / "controller", tmp_path, ("--durability", durability))
    controller.prepare()
    os.sync()
    with controller.running():
        place = (controller.address, controller.enrol_address)
        peer = Peer(tmp_path / "peer", *place, controller.token(), "host-1")
        answered = asyncio.run(_ask_until(peer, 1.5))
        assert controller.part is not None
        os.kill(controller.part.pid, signal.SIGSTOP)
        try:
            with disk.after_power_cut(f"cut-{durability}") as recovered:
                found = tmp_path / f"found-{durability}"
                shutil.copytree(recovered / "controller", found)
        finally:
            os.kill(controller.part.pid, signal.SIGCONT)
    return answered, found


def _lost_verdicts(answered: dict[int, str], found: Path, tmp_path: Path) -> set[int]:
    out = tmp_path / "ledger.jsonl"
    run("ledger", "export", "--dir", str(found), "--out", str(out))
    kept = {}
    for line in out.read_text().splitlines():
        row = json.loads(line)
        entry = row.get("entry", row)
        if isinstance(entry, str):
            entry = json.loads(entry)
        if isinstance(entry, dict) and entry.get("kind") == "verdict":
            kept[entry["transfer_id"]] = True
    return {index for index, transfer_id in answered.items() if transfer_id not in kept}


def test_every_answered_verdict_is_in_the_ledger_after_a_power_cut(
    disk: Disk, tmp_path: Path
) -> None:
    """No verdict that an agent was given is missing, and the ledger verifies."""
    answered, found = _ledger_after_cut(disk, tmp_path, "FULL")

    assert len(answered) > LEAST_VERDICTS
    assert _lost_verdicts(answered, found, tmp_path) == set()
    assert "NOT" not in run("ledger", "verify", str(found))


def test_the_harness_sees_a_store_without_fsync_lose_verdicts(disk: Disk, tmp_path: Path) -> None:
    """With synchronous=OFF the same cut loses verdicts, so the test above can fail."""
    answered, found = _ledger_after_cut(disk, tmp_path, "OFF")

    assert len(answered) > LEAST_VERDICTS
    assert len(_lost_verdicts(answered, found, tmp_path)) > 0
