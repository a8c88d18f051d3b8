"""``make bench``: measure everything, print a table, and write it into the README.

Usage: ``run.py [--write README.md] [--only SECTION]...``; ``--help`` lists the sections. Sections
that were not measured keep what the file says of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import beside
import builds
import controller_load
import memory
import opens
import recall
import recorded
import streams
import verdicts

import scan

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_MARK = re.compile(r"<!-- bench:([a-z]+) -->\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def machine() -> str:
    """The machine in one line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory_kb = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    name = model[1] if model else platform.processor()
    size = int(memory_kb[1]) >> 20 if memory_kb else 0
    return (
        f"{os.cpu_count()} cores of {name}, {size} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _scan(folder: Path) -> list[str]:
    rows = [
        (s.corpus, s.program, f"{s.megabytes:,.0f}", f"{s.rate:,.1f}", f"{s.peak_mb:.0f}", s.result)
        for s in scan.run(folder)
    ]
    head = ("corpus", "program", "MB", "MB/s per core", "peak MB", "concluded")
    small = scan.seconds_for_small_file(folder)
    return [
        "MB/s per core = bytes ÷ CPU seconds (user and system) of the process tree. No peak of",
        "memory is below that of the benchmark itself, which starts the programs:",
        "",
        *_table(head, rows),
        f"A file of 1 kB takes {small:.2f} s, the start of the command included.",
        "",
    ]


def _recall(folder: Path) -> list[str]:
    rows = recall.run(folder)
    programs = list(dict.fromkeys(name for row in rows for name in row.found))
    cells = [(r.kind, r.files, *(r.found.get(name, "-") for name in programs)) for r in rows]
    return [
        "Files with a key in which each program finds one (lockgate: the very key):",
        "",
        *_table(("kind of file", "files", *programs), cells),
    ]


def _opens(folder: Path) -> list[str]:
    if os.geteuid():
        return ["Opens under the guard were not measured: they need root.", ""]
    costs = opens.run(folder)
    rows = [
        (
            c.use,
            c.listener,
            "one core" if c.pinned else "unpinned",
            f"{c.p50:.1f}",
            f"{c.p99:.1f}",
            f"{c.ratio:.2f}",
        )
        for c in costs
    ]
    head = ("calls", "listener", "pinned", "p50 µs", "p99 µs", "p50 ÷ allow-all")
    return ["Opens of a judged, clean file:", "", *_table(head, rows)]


def _builds(folder: Path) -> list[str]:
    if missing := builds.missing_tools():
        return [f"Builds were not measured without {', '.join(missing)}.", ""]
    if os.geteuid():
        return ["Builds under the guard were not measured: they need root.", ""]
    rows = [(b.work, b.listener, f"{b.seconds:.2f}", f"{b.ratio:.2f}") for b in builds.run(folder)]
    head = ("work", "listener", "seconds", "÷ allow-all")
    return ["Work in a guarded tree, its sources judged beforehand:", "", *_table(head, rows)]


def _quiet(folder: Path) -> list[str]:
    if os.geteuid():
        return ["The idle agent was not measured: it needs root.", ""]
    seen = builds.quiet(folder)
    idle = f"Idle, agent and workers use {seen.idle_cpu_percent:.2f} % of one core. "
    left = "an unknown number" if seen.left is None else f"{seen.left:,}"
    drained = f"Of {seen.files:,} new files {left} were left after {seen.drain_seconds:.0f} s; "
    peak = f"the agent's peak was {seen.peak_mb:.0f} MB"
    silent = f", and its status did not answer {seen.silent} times" if seen.silent else ""
    return [f"{idle}{drained}{peak}{silent}.", ""]


def _verdicts(folder: Path) -> list[str]:
    rows = [
        (v.load, f"{v.per_second:,.0f}", f"{v.p50:.1f}", f"{v.p99:.1f}")
        for v in verdicts.run(folder)
    ]
    head = ("load", "verdicts a second", "p50 ms", "p99 ms")
    return [
        "Verdicts over mutual TLS, each durable in the ledger before the answer:",
        "",
        *_table(head, rows),
    ]


def _load(folder: Path) -> list[str]:
    rows = [
        (each.server, each.files, f"{each.per_second:,.0f}", f"{each.p50:.1f}", f"{each.p99:.1f}")
        for each in controller_load.run(folder)
    ]
    head = ("server, on one core", "files", "calls a second", "p50 ms", "p99 ms")
    return [
        f"The questions of {controller_load.AGENTS} agents, each on its own mutual TLS, from the",
        "other core:",
        "",
        *_table(head, rows),
    ]


def _streams(folder: Path) -> list[str]:
    seen = streams.run(folder)
    opened = f"{seen.opened_seconds:.0f} s, with {seen.resident_mb:,.0f} MB resident;"
    return [
        f"{seen.agents:,} simulated agents with open streams, the controller on one core:",
        f"all were open after {opened}",
        f"after a kill -9 all were back {seen.storm_seconds:.0f} s after it served again.",
        "",
    ]


def _recorded(folder: Path) -> list[str]:
    rows = [
        (f"{each.transfers:,}", f"{each.load.per_second:,.0f}", f"{each.load.p50:.1f}")
        for each in recorded.run(folder)
    ]
    head = ("recorded transfers", "verdicts a second", "p50 ms")
    return ["The same controller with transfers already recorded:", "", *_table(head, rows)]


def _memory(folder: Path) -> list[str]:
    if os.geteuid():
        return ["Memory of the guard was not measured: it needs root.", ""]
    rows = [(m.process, f"{m.resident_mb:.0f}", f"{m.peak_mb:.0f}") for m in memory.run(folder)]
    head = ("process", "resident MB", "peak MB")
    return [f"Memory after scanning {memory.FILES}:", "", *_table(head, rows)]


def _beside(folder: Path) -> list[str]:
    rows = [
        (each.load, f"{each.p50:.0f}", f"{each.p99:.0f}", f"{each.loss_percent:.1f}")
        for each in beside.run(folder)
    ]
    head = ("beside", "p50 µs", "p99 µs", "loss at p99, %")
    return ["A service's requests over loopback, best of the rounds:", "", *_table(head, rows)]


SECTIONS: dict[str, Callable[[Path], list[str]]] = {
    "recall": _recall,
    "scan": _scan,
    "opens": _opens,
    "builds": _builds,
    "quiet": _quiet,
    "verdicts": _verdicts,
    "load": _load,
    "streams": _streams,
    "recorded": _recorded,
    "memory": _memory,
    "beside": _beside,
}


def main() -> None:
    """Measure and print; with ``--write`` also replace the table in that file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="replace the table in this file")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="only this section")
    arguments = parser.parse_args()
    measured = {}
    for name in arguments.only or SECTIONS:
        print(f"measuring {name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
            measured[name] = "\n".join(SECTIONS[name](Path(folder)))
        print(measured[name], flush=True)
    if arguments.write:
        page = arguments.write.read_text()
        start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
        text = _page(_sections(page[start:end]) | measured)
        arguments.write.write_text(f"{page[:start]}\n{text}{page[end:]}")


def _sections(text: str) -> dict[str, str]:
    """The sections of an earlier run, by name."""
    parts = _MARK.split(text)[1:]
    return {
        name: part.strip("\n") + "\n" for name, part in zip(parts[::2], parts[1::2], strict=True)
    }


def _page(sections: dict[str, str]) -> str:
    """All sections in their order, each behind its mark."""
    head = f"{machine()}; {datetime.now(UTC):%Y-%m-%d}; `make bench`.\n\n"
    known = [name for name in SECTIONS if name in sections]
    return head + "".join(f"<!-- bench:{name} -->\n{sections[name]}\n" for name in known)


if __name__ == "__main__":
    main()
