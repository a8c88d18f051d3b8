"""The controller under load: pinned to one core, its clients on the other.

Beside the controller run, in the same way and with the same questions: a controller that keeps
nothing (``unrecorded.py``), and a plain grpcio server (``echoing.py``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "incident"))

import fleet  # noqa: E402  # shared by path, not installed
from parts import Controller  # noqa: E402

AGENTS = 32
SECONDS = 15
METHOD = "/lockgate.v1.DecisionService/RequestVerdict"
_HERE = Path(__file__).parent
SERVING, ASKING = "0", str(max(os.cpu_count() or 1, 2) - 1)
_RUN = ("--port", "0", "--enrol-port", "0", "--metrics-port", "0")


@dataclass(frozen=True, slots=True)
class Load:
    """What one server bore; ``p50`` and ``p99`` in milliseconds."""

    server: str
    files: str
    per_second: float
    p50: float
    p99: float


@contextmanager
def pinned(core: str, *command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A program on one core, and the line it said when it was ready."""
    with subprocess.Popen(
        ["taskset", "-c", core, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith("READY"):
                raise ChildProcessError(f"{command[:3]} did not start")
            yield process, line
        finally:
            process.terminate()


def served(*command: str) -> Iterator[str]:
    """The gRPC address of a server on the servers' core."""
    with pinned(SERVING, sys.executable, *command) as (_, line):
        yield dict(word.split("=", 1) for word in line.split()[1:])["grpc"]


serving = contextmanager(served)


def asked(address: str, folder: Path, files: str, seconds: float = SECONDS) -> list[float]:
    """The milliseconds of all calls that the fleet of ``folder`` made, sorted."""
    command = [sys.executable, str(_HERE / "asking.py"), address, str(folder)]
    with pinned(ASKING, *command, METHOD, files, str(seconds)) as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        return sorted(json.loads(process.stdout.readline()))


def measure(server: str, command: Sequence[str], folder: Path, files: str) -> Load:
    """What a server bears."""
    with serving(*command) as address:
        times = asked(address, folder, files)
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return Load(server, files, len(times) / SECONDS, p50, p99)


def made(folder: Path, name: str, agents: int = AGENTS) -> tuple[Path, Path]:
    """The state of a new controller, and the folder of a fleet that it has admitted."""
    controller = Controller(folder / name, folder)
    controller.prepare()
    admit(controller.state, folder / f"{name}-fleet", agents)
    return controller.state, folder / f"{name}-fleet"


def admit(state: Path, folder: Path, agents: int = AGENTS) -> None:
    """Admit a new fleet to a controller; the names are the folder's."""
    fleet.admit(state, [f"{folder.name}-{n}" for n in range(agents)], folder)


def echoing_command(state: Path) -> list[str]:
    """A plain grpcio server."""
    return [str(_HERE / "echoing.py"), str(state)]


def unrecorded_command(state: Path) -> list[str]:
    """A controller that keeps nothing."""
    return [str(_HERE / "unrecorded.py"), "run", "--dir", str(state), *_RUN]


def controller_command(state: Path) -> list[str]:
    """The real one."""
    run = "from lockgate.controller.cli import app; app()"
    return ["-c", run, "run", "--dir", str(state), *_RUN]


def run(folder: Path) -> list[Load]:
    """All servers, one after the other."""
    state, agents = made(folder, "plain")
    loads = [
        measure("plain grpcio", echoing_command(state), agents, "clean"),
        measure("controller that keeps nothing", unrecorded_command(state), agents, "clean"),
    ]
    for files in ("clean", "found"):
        state, agents = made(folder, files)
        loads.append(measure("controller", controller_command(state), agents, files))
    return loads
