"""What a judged open costs: unguarded, under an allow-all listener, and under the guard.

Each is measured in the same run on the same file of the same scratch filesystem, with opener
and listener pinned to one core and unpinned; strict zones are compared with a listener that
allows every open and read.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from listeners import ALLOW_ALL, ALLOW_READS, HERE, LOCKGATE, NONE, STRICT, listening
from scratch import scratch_filesystem

COUNT = 20_000
#: The best of so many rounds: what else runs on the machine only ever adds.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class OpenCost:
    """Microseconds of one open+close, or open+read+close.

    ``pinned``: opener and listener share one core; ``ratio``: of the p50 to that of the
    listener that allows all.
    """

    listener: str
    use: str
    pinned: bool
    p50: float
    p99: float
    ratio: float


def _measure(file: Path, *, pinned: bool, reads: bool) -> tuple[float, float]:
    command = [sys.executable, str(HERE / "opener.py"), str(file), str(COUNT)]
    command += ["--pinned"] * pinned + ["--read"] * reads
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    p50, p99 = map(float, run.stdout.split())
    return p50, p99


def _costs(file: Path, work: Path, *, pinned: bool, reads: bool) -> list[OpenCost]:
    kinds = (NONE, ALLOW_READS, STRICT) if reads else (NONE, ALLOW_ALL, LOCKGATE)
    best: dict[str, tuple[float, float]] = {}
    for kind in kinds:
        with listening(kind, file.parent, work, pinned=pinned):
            best[kind] = min(_measure(file, pinned=pinned, reads=reads) for _ in range(ROUNDS))
    base = best[kinds[1]][0]
    use = "open, read, close" if reads else "open, close"
    return [OpenCost(kind, use, pinned, *best[kind], best[kind][0] / base) for kind in kinds]


def run(folder: Path) -> list[OpenCost]:
    """Nine rows. Needs root."""
    costs = []
    with scratch_filesystem(folder) as (zone, _):
        file = zone / "judged"
        file.write_bytes(b"an ordinary log line\n" * 100)
        for pinned, reads in ((True, False), (True, True), (False, False)):
            costs += _costs(file, folder, pinned=pinned, reads=reads)
    return costs
