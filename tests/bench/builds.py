"""What the guard costs those who make files: a parallel compile, a git checkout, a storm.

The sources are judged beforehand; what is made is new. The agent's idle time and the judging
of very many new files are measured beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from listeners import ALLOW_ALL, LOCKGATE, NONE, listening
from scratch import scratch_filesystem

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "incident"))
from parts import DidNotStartError  # shared by path, not installed
from parts import run as lockgate

SOURCES, HEADERS, TRACKED = 200, 40, 3000
STORM = 100_000
DRAIN_LIMIT_S = 400.0
IDLE_S = 20.0
ROUNDS = 3
_MAKEFILE = """OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
all: $(OBJECTS)
%.o: %.c
\t@gcc -O1 -c -o $@ $<
"""


@dataclass(frozen=True, slots=True)
class Build:
    """Seconds of the best of some rounds; ``ratio``: to the listener that allows all."""

    work: str
    listener: str
    seconds: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """The agent and its workers while nobody waits for them.

    ``left``: how many of the new files were not judged when the measuring ended, None when the
    agent did not say; ``silent``: how often it did not.
    """

    idle_cpu_percent: float
    files: int
    drain_seconds: float
    left: int | None
    silent: int
    peak_mb: float


def _write_sources(folder: Path) -> None:
    folder.mkdir()
    for number in range(HEADERS):
        lines = [f"static inline int f{number}_{n}(int x) {{ return x + {n}; }}" for n in range(40)]
        (folder / f"h{number}.h").write_text("#pragma once\n" + "\n".join(lines) + "\n")
    for number in range(SOURCES):
        includes = "".join(f'#include "h{(number + n) % HEADERS}.h"\n' for n in range(10))
        calls = "".join(f"x = f{(number + n) % HEADERS}_{n}(x);" for n in range(10))
        (folder / f"s{number}.c").write_text(
            f"{includes}int g{number}(int x) {{{calls}return x;}}\n"
        )
    (folder / "Makefile").write_text(_MAKEFILE)


def _compile(folder: Path) -> None:
    for path in folder.glob("*.o"):
        path.unlink()
    subprocess.run(["make", "-s", "-j2"], cwd=folder, check=True)


def _git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def _write_repository(folder: Path) -> None:
    folder.mkdir()
    _git(folder, "init", "-q", "-b", "one")
    for branch in ("one", "two"):
        if branch == "two":
            _git(folder, "checkout", "-q", "-b", "two")
        for number in range(TRACKED):
            path = folder / f"d{number % 50}" / f"f{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{branch} {number}\n" * 100)
        _git(folder, "add", "-A")
        _git(folder, "commit", "-q", "-m", branch)
    _git(folder, "repack", "-a", "-d", "-q")


def _check_out(folder: Path) -> None:
    _git(folder, "checkout", "-q", "-")


def _read_all(folder: Path) -> None:
    """Have every file judged, however often that takes."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        for _ in range(50):
            try:
                path.read_bytes()
                break
            except OSError:
                time.sleep(0.2)


def _seconds(work: Callable[[Path], None], folder: Path) -> float:
    rounds = []
    for _ in range(ROUNDS):
        _read_all(folder)
        start = time.perf_counter()
        work(folder)
        rounds.append(time.perf_counter() - start)
    return min(rounds)


_WORKS: Sequence[tuple[str, Callable[[Path], None], Callable[[Path], None]]] = (
    (f"make -j2 of {SOURCES} C files", _write_sources, _compile),
    (f"git checkout of {TRACKED} changed files", _write_repository, _check_out),
)


def run(folder: Path) -> list[Build]:
    """Two works under three listeners. Needs root, make, gcc and git."""
    measured = []
    for number, (name, prepare, work) in enumerate(_WORKS):
        place = folder / str(number)
        place.mkdir()
        with scratch_filesystem(place) as (zone, _):
            prepare(zone / "work")
            seconds = {}
            for kind in (NONE, ALLOW_ALL, LOCKGATE):
                with listening(kind, zone, place):
                    seconds[kind] = _seconds(work, zone / "work")
        measured += [Build(name, k, s, s / seconds[ALLOW_ALL]) for k, s in seconds.items()]
    return measured


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _family(int(child))
    return found


def _cpu_s(pids: Sequence[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _waiting(run_dir: Path) -> int | None:
    """New files that the agent has not judged yet, as far as it knows; None: it does not say."""
    try:
        status = json.loads(lockgate("agent", "status", "--json", "--run-dir", str(run_dir)))
    except DidNotStartError:
        return None
    return int(status["backlog"]) + int(status["walks"])


def quiet(folder: Path) -> Quiet:
    """The agent alone, then with very many new files. Needs root."""
    with scratch_filesystem(folder, 4096) as (zone, _), listening(LOCKGATE, zone, folder) as pid:
        assert pid is not None
        time.sleep(5)
        before = _cpu_s(_family(pid))
        time.sleep(IDLE_S)
        idle = _cpu_s(_family(pid)) - before
        for number in range(STORM):
            path = zone / f"{number // 1000}" / f"{number}.log"
            if number % 1000 == 0:
                path.parent.mkdir()
            path.write_bytes(b"line %d of an ordinary log\n" % number)
        start = time.perf_counter()
        silent = 0
        while (left := _waiting(folder / "run")) != 0:
            silent += left is None
            if time.perf_counter() > start + DRAIN_LIMIT_S:
                break
            time.sleep(1)
        took = time.perf_counter() - start
        return Quiet(idle / IDLE_S * 100, STORM, took, left, silent, _peak_mb(pid))


def missing_tools() -> list[str]:
    """The programs that are needed and not installed."""
    return [tool for tool in ("make", "gcc", "git") if not shutil.which(tool)]
