"""An agent proves that it holds, and says so when it does not: real guard, real canaries."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.agent.control import NoAgentError, ask
from lockgate.agent.verdicts import journal

from .conftest import wait_until

PROGRAM = Path(__file__).parents[1] / "fakes" / "weak_agent.py"
PATIENCE_S = 40.0

pytestmark = pytest.mark.root


class WeakAgent:
    """An agent with one part weakened, on a filesystem of its own."""

    def __init__(self, zone: Path, base: Path) -> None:
        self.zone, self.state_dir, self.run_dir = zone, base / "state", base / "run"
        self._output = base / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, weakness: str, interval_s: float = 60.0) -> None:
        """Start it; whatever happens it ends within four minutes."""
        command = ["timeout", "-s", "KILL", "240", sys.executable, PROGRAM, weakness]
        command += [self.zone, self.state_dir, self.run_dir, str(interval_s)]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)

    def said(self) -> str:
        """What it has written to standard output and standard error."""
        return self._output.read_text()

    def status(self) -> dict[str, Any]:
        """What it says of its one zone; nothing while it does not answer."""
        try:
            (zone,) = ask(self.run_dir, "status")["zones"]
        except NoAgentError:
            return {"state": "", "reasons": [], "last_proof": None, "tried": []}
        return dict(zone)

    def told(self) -> list[str]:
        """The changes of the guard in the journal, in order."""
        entries = journal.read(self.state_dir / "journal")
        return [entry["change"] for entry in entries if entry["event"] == "guard"]

    def end(self) -> None:
        """Take the guard off, whatever state it is in."""
        words = ["--state-dir", self.state_dir, "--run-dir", self.run_dir]
        program = "from lockgate.cli.main import main; main()"
        command = [sys.executable, "-c", program, "agent", "disarm", *words]
        subprocess.run(command, capture_output=True, timeout=60, check=False)
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)


@pytest.fixture
def agent(scratch: Path, tmp_path: Path) -> Iterator[WeakAgent]:
    """An agent that is not started yet."""
    one = WeakAgent(scratch, tmp_path)
    try:
        yield one
    finally:
        one.end()


def test_a_whole_guard_is_ready_after_its_first_proof(agent: WeakAgent) -> None:
    """READY, every way refused, and ARMED is told; the canaries are gone again."""
    agent.start("none")
    wait_until(lambda: "READY" in agent.said(), PATIENCE_S)
    zone = agent.status()
    assert (zone["state"], zone["reasons"]) == ("enforcing", [])
    assert zone["last_proof"] is not None
    assert len(zone["tried"]) == 4
    assert all(tried.endswith(": refused") for tried in zone["tried"])
    wait_until(lambda: agent.told() == ["armed"], PATIENCE_S)
    assert list((agent.zone / ".lockgate" / "canary").iterdir()) == []


@pytest.mark.parametrize("weakness", ["scanner", "listener"])
def test_a_guard_that_leaks_is_blind_and_never_ready(agent: WeakAgent, weakness: str) -> None:
    """Reported as blind with the ways that leaked, and told to whoever started it."""
    agent.start(weakness)
    wait_until(lambda: agent.told() == ["blind"], PATIENCE_S)
    zone = agent.status()
    assert zone["state"] == "blind"
    assert any(reason.startswith("a canary came out: mmap") for reason in zone["reasons"])
    assert zone["last_proof"] is None
    assert "READY" not in agent.said()
    assert "not ready until canaries prove it" in agent.said()
    assert "a canary came out" in agent.said()


def test_a_refusal_by_a_dead_scanner_is_no_proof(agent: WeakAgent) -> None:
    """Nothing leaks, so the zone is degraded; without a proof it is blind in the end."""
    agent.start("dead", 4.0)
    wait_until(lambda: agent.told()[:1] == ["degraded"], PATIENCE_S)
    assert any("did not find its key" in reason for reason in agent.status()["reasons"])
    wait_until(lambda: agent.status()["state"] == "blind", PATIENCE_S)
    assert any("three intervals" in reason for reason in agent.status()["reasons"])
    assert not any("came out" in reason for reason in agent.status()["reasons"])
    assert "READY" not in agent.said()


def test_a_filesystem_without_a_mark_is_blind(agent: WeakAgent) -> None:
    """Seen from the kernel's list of marks, and by the canary that comes out."""
    agent.start("markless")
    wait_until(lambda: agent.status()["state"] == "blind", PATIENCE_S)
    reasons = agent.status()["reasons"]
    assert any("has no mark" in reason for reason in reasons)
    wait_until(lambda: any("came out" in r for r in agent.status()["reasons"]), PATIENCE_S)
    assert "READY" not in agent.said()


def test_what_canaries_leave_in_the_record_is_little(agent: WeakAgent) -> None:
    """Two decisions and four receipts a round, none of them a move into quarantine."""
    agent.start("none", 300.0)
    wait_until(lambda: "READY" in agent.said(), PATIENCE_S)

    def is_told_whole() -> bool:
        entries = journal.read(agent.state_dir / "journal")
        return sum(entry["event"] == "enforcement" for entry in entries) >= 4

    wait_until(is_told_whole, PATIENCE_S)
    time.sleep(1)  # no more of them come
    entries = list(journal.read(agent.state_dir / "journal"))
    decisions = [entry["decision"] for entry in entries if entry["event"] == "decision"]
    receipts = [entry["receipt"] for entry in entries if entry["event"] == "enforcement"]
    assert [(d["verdict"], d["rule"], d["page"]) for d in decisions] == [
        ("BLOCK", "canary", False)
    ] * 2
    assert [receipt["enforcement"] for receipt in receipts] == ["denied"] * 4
    private = b"PRIVATE KEY"
    for folder, _, names in os.walk(agent.state_dir):
        assert not any(private in Path(folder, name).read_bytes() for name in names)
