"""What a judged open costs: unguarded, under an allow-all listener, and under the guard.

Each is measured in the same run on the same file of the same scratch filesystem, once with
opener and listener pinned to one core and once unpinned.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

INCIDENT = Path(__file__).resolve().parents[1] / "incident"
sys.path.insert(0, str(INCIDENT))

import parts  # noqa: E402  # the incident's parts are shared by path, not installed
from scratch import scratch_filesystem  # noqa: E402

HERE = Path(__file__).parent
COUNT = 20_000


@dataclass(frozen=True, slots=True)
class OpenCost:
    """Microseconds of one open+close. ``pinned``: opener and listener share one core."""

    listener: str
    pinned: bool
    p50: float
    p99: float


def _measure(listener: str, file: Path, *, pinned: bool) -> OpenCost:
    command = [sys.executable, str(HERE / "opener.py"), str(file), str(COUNT)]
    run = subprocess.run(
        [*command, *(["0"] if pinned else [])], capture_output=True, text=True, check=True
    )
    p50, p99 = map(float, run.stdout.split())
    return OpenCost(listener, pinned, p50, p99)


@contextmanager
def _allow_all(zone: Path, *, pinned: bool) -> Iterator[None]:
    command = [sys.executable, str(HERE / "allow_all.py"), str(zone), *(["0"] if pinned else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _guard(zone: Path, work: Path, *, pinned: bool) -> Iterator[None]:
    state, run_dir = work / "state", work / "run"
    places = ["--state-dir", str(state), "--run-dir", str(run_dir)]
    part = parts.start(["agent", "guard", str(zone), *places], work / "guard.log")
    if pinned:
        os.sched_setaffinity(part.pid, {0})
    try:
        yield
    finally:
        parts.run("agent", "disarm", "--run-dir", str(run_dir), check=False)
        part.stop(signal.SIGTERM)


def run(folder: Path) -> list[OpenCost]:
    """Six rows: three listeners, pinned and unpinned. Needs root."""
    costs = []
    with scratch_filesystem(folder) as (zone, _):
        file = zone / "judged"
        file.write_bytes(b"an ordinary log line\n" * 100)
        for pinned in (True, False):
            costs.append(_measure("none", file, pinned=pinned))
            with _allow_all(zone, pinned=pinned):
                costs.append(_measure("allow-all", file, pinned=pinned))
            with _guard(zone, folder, pinned=pinned):
                costs.append(_measure("lockgate", file, pinned=pinned))
    return costs
