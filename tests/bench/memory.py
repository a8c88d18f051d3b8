"""Resident memory of agent, holder, worker and controller, after large files were scanned."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "incident"), str(TESTS / "bench")]

import corpora  # noqa: E402  # shared by path, not installed
from parts import Agent, Controller, Part  # noqa: E402
from parts import run as lockgate  # noqa: E402
from scratch import scratch_filesystem  # noqa: E402

MEGABYTES = 1500
FILES = f"a dense core and {MEGABYTES} MB of random data"


@dataclass(frozen=True, slots=True)
class Memory:
    """One process, in MB of 10^6 bytes."""

    process: str
    resident_mb: float
    peak_mb: float


def _of(name: str, pid: int) -> Memory:
    status = Path(f"/proc/{pid}/status").read_text()
    values = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
    return Memory(name, int(values["VmRSS"]) * 1024 / 1e6, int(values["VmHWM"]) * 1024 / 1e6)


def _public_key() -> bytes:
    """The public half of a key that is in none of the files: the registry is searched for."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form)


def _pids(module: str, run_dir: Path) -> list[int]:
    """Processes started as ``python -m module`` whose command line or parent is of this run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if module in command and (module.endswith("worker") or str(run_dir) in command):
                found.append(int(entry.name))
    return found


def _read_both(zone: Path) -> None:
    """Open a dense core and a large random file until each is judged."""
    core = corpora.core_of(corpora.DENSE_PROGRAM, zone / "dense")
    for path in (core, corpora.random_file(zone, MEGABYTES)):
        deadline = time.monotonic() + 120
        while not _judged(path) and time.monotonic() < deadline:
            time.sleep(0.5)


def _judged(path: Path) -> bool:
    try:
        path.open("rb").close()
    except PermissionError:  # EPERM: refused for good
        return True
    except OSError:  # EAGAIN: the scan still runs
        return False
    return True


def run(folder: Path) -> list[Memory]:
    """Four processes. Needs root."""
    controller = Controller(folder / "controller", folder)
    controller.prepare()
    registry = folder / "protected.pem"
    with scratch_filesystem(folder, 4096) as (zone, _), controller.running():
        registry.write_bytes(_public_key())
        agent = Agent(folder / "agent", folder, zone, registry)
        agent.enrol(controller)
        with agent.running(controller, enforcing=True):
            _read_both(zone)
            assert isinstance(agent.part, Part)
            assert isinstance(controller.part, Part)
            run_dir = agent.state / "run"
            lockgate("agent", "status", "--run-dir", str(run_dir))
            return [
                _of("agent", agent.part.pid),
                *(_of("holder", pid) for pid in _pids("lockgate.agent.guard.holder", run_dir)),
                *(_of("worker", pid) for pid in _pids("lockgate.agent.workers.worker", run_dir)),
                _of("controller", controller.part.pid),
            ]
