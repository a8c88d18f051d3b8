"""``make soak`` and the suite: hurt a loaded installation, and count what came out.

Usage: ``chaos.py [--faults N] [--seed S] [--keep]``. Ends with 1 when a byte leaked, when an open
waited beyond its deadline, or when clean opens failed more often than promised.

Rules enforced here:

1. A run's verdict comes from the load's own records, never from what the agent says of itself.
2. A run that saw no dirty open refused, or no file read, has proved nothing and fails.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos_site import DEADLINE_S, Site
from faults import FAULTS, Fault

#: Beyond its deadline an opener needs a moment to be scheduled on a busy machine.
SLACK_S = 2.0
CALM_EVERY = 20
_CALM_S = 9.0
_AFTER_FAULT_S = 5.0
_MOST_FAILING = 0.001


@dataclass(slots=True)
class Outcome:
    """What a run saw. ``calm`` counts clean opens more than 5 s after any fault."""

    faults: Counter[str] = field(default_factory=Counter)
    leaks: list[dict[str, Any]] = field(default_factory=list)
    late: list[dict[str, Any]] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    opens: dict[str, Counter[str]] = field(default_factory=dict)
    calm: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    lost: str = ""

    @property
    def refused(self) -> int:
        """Dirty opens that got an error."""
        dirty = self.opens.get("dirty", Counter()) + self.opens.get("fresh", Counter())
        return sum(count for word, count in dirty.items() if word != "read")

    @property
    def failing(self) -> float:
        """The share of clean opens that failed while nothing was wrong."""
        total = sum(self.calm.values())
        return (total - self.calm["read"]) / total if total else 1.0

    def complaints(self) -> list[str]:
        """Why the run is not good; empty when it is."""
        found = [f"{len(self.leaks)} leaks, e.g. {self.leaks[0]}"] if self.leaks else []
        found += [f"{len(self.late)} opens waited too long: {self.late[:2]}"] if self.late else []
        found += [f"hung for ever: {self.hung}"] if self.hung else []
        found += [self.lost] if self.lost else []
        found += ["no dirty open was refused"] if not self.refused else []
        if self.failing > _MOST_FAILING:
            found.append(f"{self.failing:.2%} of clean opens failed in calm: {dict(self.calm)}")
        return found


def run(site: Site, faults: int, seed: int, chosen: tuple[Fault, ...] = FAULTS) -> Outcome:
    """Hurt a built site ``faults`` times under load."""
    choice = random.Random(seed)
    outcome = Outcome()
    calms: list[tuple[float, float]] = []
    site.start_agent()
    site.start_load(seed)
    try:
        for number in range(faults):
            fault = chosen[number % len(chosen)] if number < len(chosen) else choice.choice(chosen)
            _hurt(site, fault, choice, number)
            outcome.faults[fault.__name__] += 1
            if (number + 1) % CALM_EVERY == 0 or number + 1 == faults:
                calms.append(_calm())
    except Exception as error:
        outcome.lost = f"the site was lost: {type(error).__name__}: {error}"
    outcome.hung = site.end_load()
    _read(site.results, calms, outcome)
    return outcome


def _hurt(site: Site, fault: Fault, choice: random.Random, number: int) -> None:
    begun = time.monotonic()
    fault(site, choice)
    hurt = time.monotonic()
    site.mend()
    now = time.monotonic()
    print(
        f"{number + 1:4} {fault.__name__:28} {hurt - begun:5.1f} s, mended in {now - hurt:4.1f} s",
        flush=True,
    )
    time.sleep(choice.uniform(0, 0.5))


def _calm() -> tuple[float, float]:
    begun = time.monotonic()
    time.sleep(_CALM_S)
    return begun + _AFTER_FAULT_S, time.monotonic()


def _read(results: Path, calms: list[tuple[float, float]], outcome: Outcome) -> None:
    for line in results.read_text().splitlines():
        fact = json.loads(line)
        match fact["event"]:
            case "leak":
                outcome.leaks.append(fact)
            case "slow" if fact["wait"] > DEADLINE_S + SLACK_S:
                outcome.late.append(fact)
            case "counts":
                role = fact["role"]
                outcome.opens.setdefault(role, Counter()).update(fact["counts"])
                outcome.longest_s = max(outcome.longest_s, fact["slowest"])
                if role == "clean" and _within(fact, calms):
                    outcome.calm.update(fact["counts"])


def _within(fact: dict[str, Any], calms: list[tuple[float, float]]) -> bool:
    return any(start <= fact["since"] and fact["t"] <= end for start, end in calms)


def describe(outcome: Outcome) -> str:
    """The run in a few lines."""
    lines = [f"{sum(outcome.faults.values())} faults of {len(outcome.faults)} kinds"]
    for role, counts in sorted(outcome.opens.items()):
        words = ", ".join(f"{word} {count:,}" for word, count in counts.most_common())
        lines.append(f"  {role:8} {words}")
    lines += [
        f"leaks: {len(outcome.leaks)}; dirty opens refused: {outcome.refused:,}",
        f"longest wait of an open: {outcome.longest_s:.1f} s (deadline {DEADLINE_S:.0f} s)",
        f"clean opens in calm: {sum(outcome.calm.values()):,}, failing {outcome.failing:.3%}",
    ]
    return "\n".join(lines + [f"NOT GOOD: {text}" for text in outcome.complaints()])


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    parser.add_argument("--only", action="append", help="only faults of these names")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
    chosen = tuple(f for f in FAULTS if not arguments.only or f.__name__ in arguments.only)
    print(f"seed {seed}")
    site = Site(Path(tempfile.mkdtemp(prefix="lockgate-chaos-")))
    try:
        site.build()
        outcome = run(site, arguments.faults, seed, chosen)
    finally:
        site.close()
    print(describe(outcome))
    return 1 if outcome.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())
