"""The suite as a program: ``python tests/conformance/run.py [--table] [--on KIND] [NAME...]``.

It says of each way on each filesystem what came of it, and ends with 1 when anything is not
as it should be. ``--table`` prints one line for each way, for the documentation.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conformance.trials import Trial, field_of
from tests.conformance.way import FILESYSTEMS, Scope, Way
from tests.conformance.ways import WAYS


def chosen(words: Sequence[str]) -> list[Way]:
    """The ways whose family or name holds one of ``words``; all without any."""
    return [
        way
        for way in WAYS.values()
        if not words or any(word in way.name or word == way.family for word in words)
    ]


def try_all(ways: Sequence[Way], filesystems: Sequence[str]) -> list[Trial]:
    """Every way on every filesystem on which it can exist."""
    trials = []
    for filesystem in filesystems:
        fitting = [way for way in ways if filesystem in way.filesystems]
        with field_of(filesystem, fitting) as found:
            for way in fitting:
                trials.append(found.try_way(way))
                _tell(trials[-1])
    return trials


def _tell(trial: Trial) -> None:
    problems = list(trial.problems())
    word = "FAIL" if problems else "ok"
    took = max(trial.clean.seconds, trial.dirty.seconds)
    dirty = trial.dirty.error or ("leaks" if trial.leaks else "nothing got out")
    print(f"{word:4} {trial.filesystem:5} {took:5.2f} s  {trial.way.name}: {dirty}", flush=True)
    for problem in problems:
        print(f"       {problem}", flush=True)


def table(trials: Sequence[Trial]) -> str:
    """One line for each way: kept, leaks, or - where it cannot exist."""
    cells: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for trial in trials:
        verdict = "**leaks**" if trial.leaks else "kept"
        cells[trial.way.name][trial.filesystem] = verdict if trial.unguarded.shown else "?"
    lines = ["| way | scope | " + " | ".join(FILESYSTEMS) + " |", "|---" * 6 + "|"]
    for name, kinds in cells.items():
        row = " | ".join(kinds.get(kind, "-") for kind in FILESYSTEMS)
        lines.append(f"| {name.replace('|', chr(92) + '|')} | {WAYS[name].scope.value} | {row} |")
    return "\n".join(lines)


def main() -> int:
    """Try, tell, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="print a table at the end")
    parser.add_argument("--on", action="append", choices=FILESYSTEMS, help="only this filesystem")
    parser.add_argument("names", nargs="*", help="families, or parts of names")
    options = parser.parse_args()
    started = time.monotonic()
    trials = try_all(chosen(options.names), options.on or FILESYSTEMS)
    failed = [trial for trial in trials if any(trial.problems())]
    promised = [trial for trial in trials if trial.way.scope is not Scope.NOT_PROMISED]
    leaks = sum(trial.leaks for trial in promised)
    if options.table:
        print(table(trials))
    print(
        f"{len({trial.way.name for trial in trials})} ways, {len(trials)} trials, "
        f"{leaks} leaks of {len(promised)} promised, {len(failed)} failed, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
