"""Scan files without keys: ``python tests/negative/run.py [--megabytes N] [--json]``.

Prints a line for each kind of file, every finding that blocks (there should be none), and every
file that did not end clean with its reason.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from files import Sample, gather

_LOCKGATE = str(Path(sys.executable).with_name("lockgate"))
_BLOCKING = {"protected", "private", "credential"}
_PROCESSES = 2
_AT_ONCE = 400


@dataclass(slots=True)
class Kind:
    """What became of the files of one kind."""

    files: int = 0
    megabytes: float = 0.0
    clean: int = 0
    false: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def scan(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The reports of the command, one for each path.

    Raises:
        RuntimeError: a report is missing.
    """
    done = subprocess.run(
        [_LOCKGATE, "scan", "--format", "json", *map(str, paths)], capture_output=True, check=False
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    if len(reports) != len(paths):
        raise RuntimeError(f"{len(paths)} files, {len(reports)} reports: {done.stderr.decode()}")
    return reports


def run(samples: Sequence[Sample]) -> dict[str, Kind]:
    """Scan everything, and sort it by kind."""
    batches = [samples[at : at + _AT_ONCE] for at in range(0, len(samples), _AT_ONCE)]
    with ThreadPoolExecutor(_PROCESSES) as pool:
        answers = list(pool.map(lambda batch: scan([s.path for s in batch]), batches))
    kinds: dict[str, Kind] = {}
    for sample, report in zip(samples, [r for a in answers for r in a], strict=True):
        _count(kinds.setdefault(sample.kind, Kind()), sample, report)
    return kinds


def _count(kind: Kind, sample: Sample, report: dict[str, Any]) -> None:
    kind.files += 1
    kind.megabytes += sample.size / 1e6
    blocking = [f for f in report["findings"] if f["class"] in _BLOCKING]
    kind.false += [
        f"{sample.path}: {f['class']} {f['algorithm']} as {f['format']} at {f['offset']}"
        for f in blocking
    ]
    if report["outcome"] == "clean":
        kind.clean += 1
    elif not blocking:
        reasons = sorted({f"{g['reason']}: {g['detail']}" for g in report["gaps"]})
        kind.others.append(f"{sample.path}: {'; '.join(reasons)}")


def main() -> int:
    """Print what was found; 1 when there is a false finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lockgate-negative-") as folder:
        kinds = run(gather(options.megabytes, Path(folder)))
    if options.json:
        json.dump({name: as_json(kind) for name, kind in kinds.items()}, sys.stdout, indent=2)
    else:
        show(kinds)
    return int(any(kind.false for kind in kinds.values()))


def as_json(kind: Kind) -> dict[str, Any]:
    """A kind as JSON holds it."""
    return {
        "files": kind.files,
        "megabytes": round(kind.megabytes, 1),
        "clean": kind.clean,
        "false": kind.false,
        "others": kind.others,
    }


def show(kinds: dict[str, Kind]) -> None:
    """Print the table and the lists."""
    for name, kind in kinds.items():
        line = f"{name:<20} {kind.files:>6} files {kind.megabytes:>8.1f} MB {kind.clean:>6} clean"
        sys.stdout.write(f"{line} {len(kind.false):>4} false\n")
    for kind in kinds.values():
        sys.stdout.writelines(f"FALSE {line}\n" for line in kind.false)
        sys.stdout.writelines(f"not clean {line}\n" for line in kind.others)


if __name__ == "__main__":
    sys.exit(main())
