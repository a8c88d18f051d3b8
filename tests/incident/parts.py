"""Lockgate's own processes, started and ended for the demo and the end-to-end tests.

Rules enforced here: only processes that were started here are ended, by pid; whatever they
wrote to stderr is kept in a file beside them, and shown when one does not start.
"""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCKGATE = str(Path(sys.executable).with_name("lockgate"))


class DidNotStartError(Exception):
    """A part of Lockgate did not say READY; the text ends with what it complained of."""


@dataclass(slots=True)
class Part:
    """A running process of ours. ``ready`` is the line it printed when it was."""

    process: subprocess.Popen[str]
    log: Path
    ready: str = ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=10)


def run(*arguments: str, check: bool = True) -> str:
    """One ``lockgate`` command; its output."""
    done = subprocess.run([LOCKGATE, *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise DidNotStartError(f"lockgate {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def read_json_lines(*arguments: str) -> list[dict[str, Any]]:
    """One ``lockgate`` read verb with ``--json``."""
    return [json.loads(line) for line in run(*arguments, "--json").splitlines()]


def start(arguments: Sequence[str], log: Path, seconds: float = 30.0) -> Part:
    """Start ``lockgate`` with ``arguments`` and wait for its READY line.

    Raises:
        DidNotStartError: it ended, or said nothing in time.
    """
    with log.open("w") as errors:
        process = subprocess.Popen(
            [LOCKGATE, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    part = Part(process, log)
    for line in _lines(process, seconds):
        if line.startswith("READY"):
            part.ready = line.strip()
            return part
    part.stop(signal.SIGKILL)
    complaint = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise DidNotStartError(f"lockgate {' '.join(arguments)} did not say READY:\n{complaint}")


def _lines(process: subprocess.Popen[str], seconds: float) -> Iterator[str]:
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            line = process.stdout.readline()
            if not line:
                return
            yield line


@dataclass(slots=True)
class Controller:
    """A controller of its own with its state in ``state``."""

    state: Path
    logs: Path
    options: Sequence[str] = field(default=())
    part: Part | None = None
    address: str = ""
    enrol_address: str = ""

    def prepare(self) -> None:
        """Make authority, keys and store."""
        run("controller", "init", "--dir", str(self.state), "--trust-domain", "demo.lockgate")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve on free ports of the loopback."""
        ports = ["--port", "0", "--enrol-port", "0", "--metrics-port", "0"]
        arguments = ["controller", "run", "--dir", str(self.state), *ports, *self.options]
        self.part = start(arguments, self.logs / "controller.log")
        words = dict(w.split("=", 1) for w in self.part.ready.split() if "=" in w)
        self.address, self.enrol_address = words["grpc"], words["enrol"]
        try:
            yield
        finally:
            self.part.stop()

    def token(self) -> str:
        """A join token."""
        return run("controller", "token", "--dir", str(self.state)).strip()

    def read(self, verb: str) -> list[dict[str, Any]]:
        """``lockgate controller VERB --json``."""
        return read_json_lines("controller", verb, "--dir", str(self.state))


@dataclass(slots=True)
class Agent:
    """An agent of its own; ``zone`` is guarded, ``registry`` names the protected keys."""

    state: Path
    logs: Path
    zone: Path
    registry: Path
    part: Part | None = None

    @property
    def ready(self) -> str:
        """What it said when it was ready."""
        return self.part.ready if self.part else ""

    def enrol(self, controller: Controller) -> None:
        """Trade a join token for a certificate."""
        addresses = ["--controller", controller.enrol_address, "--token", controller.token()]
        run("agent", "enrol", *addresses, "--state-dir", str(self.state), "--host", "prod-7")

    @contextmanager
    def running(self, controller: Controller, *, enforcing: bool) -> Iterator[None]:
        """Guard the zone; take the guard off again at the end."""
        config = self.logs / "agent.toml"
        mode = "enforce" if enforcing else "monitor"
        config.write_text(f"""
host = "prod-7"
state_dir = "{self.state}"
run_dir = "{self.state / "run"}"
metrics_listen = ""

[controller]
address = "{controller.address}"
enrolment_address = "{controller.enrol_address}"

[scan]
registry_files = ["{self.registry}"]

[[zones]]
name = "token-signing"
path = "{self.zone}"
signing = true
mode = "{mode}"
""")
        self.part = start(["agent", "run", "--config", str(config)], self.logs / "agent.log")
        try:
            yield
        finally:
            if enforcing:
                run("agent", "disarm", "--run-dir", str(self.state / "run"), check=False)
            self.part.stop()
