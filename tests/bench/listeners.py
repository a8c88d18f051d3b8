"""Who answers the opens of a scratch filesystem: nobody, an allow-all listener, or Lockgate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INCIDENT = Path(__file__).resolve().parents[1] / "incident"
sys.path.insert(0, str(INCIDENT))

import parts  # noqa: E402  # the incident's parts are shared by path, not installed

HERE = Path(__file__).parent
NONE, ALLOW_ALL, LOCKGATE = "none", "allow-all", "lockgate"
ALLOW_READS, STRICT = "allow-all, reads too", "lockgate, strict"


@contextmanager
def listening(kind: str, zone: Path, work: Path, *, pinned: bool = False) -> Iterator[int | None]:
    """Have ``kind`` answer while the block runs; its pid. ``pinned``: on the first core."""
    if kind == NONE:
        yield None
    elif kind in {ALLOW_ALL, ALLOW_READS}:
        with _allow_all(zone, pinned=pinned, reads=kind == ALLOW_READS) as pid:
            yield pid
    else:
        with _lockgate(zone, work, pinned=pinned, strict=kind == STRICT) as pid:
            yield pid


@contextmanager
def _allow_all(zone: Path, *, pinned: bool, reads: bool) -> Iterator[int]:
    command = [sys.executable, str(HERE / "allow_all.py"), str(zone)]
    command += ["--pinned"] * pinned + ["--reads"] * reads
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def _lockgate(zone: Path, work: Path, *, pinned: bool, strict: bool) -> Iterator[int]:
    places = ["--state-dir", str(work / "state"), "--run-dir", str(work / "run")]
    guarding = ["--guarding", "strict" if strict else "open"]
    command = ["agent", "guard", str(zone), *guarding, *places]
    part = parts.start(command, work / "guard.log", 60)
    if pinned:
        for task in Path(f"/proc/{part.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {0})
    try:
        yield part.pid
    finally:
        parts.run("agent", "disarm", *places, check=False)
        part.stop(signal.SIGTERM)
