"""Controller and agent die, the spool fills: what opens get, and what is known afterwards."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "incident"))

from parts import Part, run, start

from .conftest import error_of, wait_until

pytestmark = pytest.mark.root

ANSWER_S = 2.0
DEADLINE_S = 6.0


@dataclass(slots=True)
class Site:
    """One zone with its real agent, and its real controller."""

    base: Path
    zone: Path
    controller: Part | None = None
    agent: Part | None = None
    ports: list[str] = field(default_factory=lambda: ["--port", "0", "--enrol-port", "0"])

    def start_controller(self) -> dict[str, str]:
        """Serve, after the first time on the same ports; the addresses."""
        options = ["--dir", str(self.base / "controller"), "--metrics-port", "0", *self.ports]
        self.controller = start(["controller", "run", *options], self.base / "controller.log")
        said = dict(w.split("=", 1) for w in self.controller.ready.split() if "=" in w)
        grpc, enrol = (said[name].rpartition(":")[2] for name in ("grpc", "enrol"))
        self.ports = ["--port", grpc, "--enrol-port", enrol]
        return said

    def set_up(self, spool_bytes: int = 1 << 20) -> None:
        """Make the controller, enrol the agent, start both."""
        folder = str(self.base / "controller")
        run("controller", "init", "--dir", folder, "--trust-domain", "test.lockgate")
        said = self.start_controller()
        token = run("controller", "token", "--dir", folder).strip()
        trade = ["--controller", said["enrol"], "--token", token, "--host", "prod-7"]
        run("agent", "enrol", *trade, "--state-dir", str(self.base / "agent"))
        (self.base / "agent.toml").write_text(f"""
state_dir = "{self.base / "agent"}"
run_dir = "{self.base / "run"}"
metrics_listen = ""
open_deadline_seconds = {DEADLINE_S}
[controller]
address = "{said["grpc"]}"
enrolment_address = "{said["enrol"]}"
answer_within_seconds = {ANSWER_S}
spool_bytes = {spool_bytes}
[[zones]]
path = "{self.zone}"
""")
        self.start_agent()

    def start_agent(self) -> None:
        """Guard, or take over from a dead agent."""
        config = str(self.base / "agent.toml")
        self.agent = start(["agent", "run", "--config", config], self.base / "agent.log")

    def kill(self, part: Part | None) -> None:
        """SIGKILL, and wait."""
        assert part is not None
        part.stop(signal.SIGKILL)

    def attempts(self, path: Path) -> list[tuple[str, str | None]]:
        """What the controller knows was done about ``path``: enforcement and hold reason."""
        folder = str(self.base / "controller")
        lines = run("controller", "transfers", "--dir", folder, "--json").splitlines()
        found = [t for t in map(json.loads, lines) if t["path"] == str(path)]
        return [(r["enforcement"], r["hold_reason"]) for t in found for r in t["receipts"]]

    def status(self) -> dict[str, Any]:
        """What the agent says of itself."""
        said: dict[str, Any] = json.loads(
            run("agent", "status", "--json", "--run-dir", str(self.base / "run"))
        )
        return said

    def why(self, path: Path) -> str:
        """What the agent says of a file."""
        return run("agent", "why", str(path), "--state-dir", str(self.base / "agent"))

    def close(self) -> None:
        """Take the guard off and end everything."""
        folders = ["--run-dir", str(self.base / "run"), "--state-dir", str(self.base / "agent")]
        run("agent", "disarm", *folders, check=False)
        for part in (self.agent, self.controller):
            if part is not None:
                part.stop(signal.SIGKILL)


@pytest.fixture
def site(scratch: Path, tmp_path: Path) -> Iterator[Site]:
    """A site that is not set up yet, and a limit of time for whatever guards its zone."""
    made = Site(tmp_path, scratch)
    limit = subprocess.Popen(
        ["sh", "-c", f"sleep 240; umount -l {scratch}"], start_new_session=True
    )
    try:
        yield made
    finally:
        made.close()
        os.killpg(limit.pid, signal.SIGKILL)
        limit.wait()


def text(path: Path) -> Path:
    """An ordinary file of its own content."""
    path.write_text(f"{path} has nothing to hide\n" * 20)
    return path


def test_a_dead_controller_holds_what_is_new_and_hears_of_it_later(site: Site) -> None:
    """A kept ALLOW still passes, everything else is EAGAIN in time; later all of it is known."""
    known, new = text(site.zone / "known.log"), site.zone / "new.log"
    site.set_up()
    assert error_of(known) == 0
    site.kill(site.controller)
    text(new)

    began = time.monotonic()
    assert error_of(new) == errno.EAGAIN
    assert time.monotonic() - began < DEADLINE_S
    assert error_of(known) == 0
    assert "controller-unreachable" in site.why(new)
    assert "status" in site.why(new)
    assert site.status()["state"] == "degraded"

    site.start_controller()
    wait_until(lambda: error_of(new) == 0, 20)
    wait_until(lambda: site.status()["controller"]["waiting"] == 0, 20)
    wait_until(lambda: site.status()["state"] == "enforcing", 20)
    held = ("denied", "controller-unreachable")
    assert site.attempts(new).count(held) >= 1
    assert ("allowed", None) in site.attempts(new)


def test_a_killed_agent_lets_nothing_through_until_the_next_takes_over(site: Site) -> None:
    """Between two agents no open passes, not even of an allowed file; then they pass again."""
    known = text(site.zone / "known.log")
    site.set_up()
    assert error_of(known) == 0
    site.kill(site.agent)

    assert error_of(known) == errno.EAGAIN
    site.start_agent()
    assert error_of(known) == 0
    assert site.status()["state"] == "enforcing"


def test_a_full_spool_is_a_hold_that_ends_when_the_controller_is_back(site: Site) -> None:
    """What can no longer be kept for the controller is not decided, and the loss is counted."""
    site.set_up(spool_bytes=4096)
    site.kill(site.controller)
    files = [text(site.zone / f"{number}.log") for number in range(12)]
    assert {error_of(file) for file in files} == {errno.EAGAIN}
    wait_until(lambda: "spool-full" in site.why(files[-1]))
    wait_until(lambda: site.status()["controller"]["dropped"] > 0)

    site.start_controller()
    wait_until(lambda: error_of(files[-1]) == 0, 20)
