"""MB/s per core of ``lockgate scan`` beside its peers, on the same bytes in the same run.

MB/s per core = bytes / CPU seconds (user and system) of the whole process tree; M = 10^6. Peak
memory is the largest resident set of any one process of the tree.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import corpora

_LOCKGATE = str(Path(sys.executable).with_name("lockgate"))


@dataclass(frozen=True, slots=True)
class Speed:
    """One program on one corpus. ``result`` is what the program concluded, in short."""

    program: str
    corpus: str
    megabytes: float
    cpu_seconds: float
    peak_mb: float
    result: str

    @property
    def rate(self) -> float:
        """MB per CPU second."""
        return self.megabytes / self.cpu_seconds if self.cpu_seconds else 0.0


def _timed(command: list[str]) -> tuple[float, float, str]:
    """CPU seconds, peak of resident memory in MB, and output."""
    with tempfile.TemporaryFile("w+") as out:
        run = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3, out.read()


def seconds_for_small_file(folder: Path, rounds: int = 9) -> float:
    """Median wall-clock seconds of the command on a file of 1 kB, its own start included."""
    path = folder / "small"
    path.write_bytes(b"2026-11-21 12:00:00 service[7]: 200 GET /index.html\n" * 20)
    taken = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run([_LOCKGATE, "scan", str(path)], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.monotonic() - began)
    return sorted(taken)[rounds // 2]


def _lockgate_result(output: str) -> str:
    reports = [json.loads(line) for line in output.splitlines()]
    outcomes = sorted(r["outcome"] for r in reports)
    keys = {
        f["fingerprint"]
        for r in reports
        for f in r["findings"]
        if f["class"] in {"private", "protected"}
    }
    counts = ", ".join(f"{outcomes.count(o)} {o}" for o in sorted(set(outcomes)))
    return f"{counts}; {len(keys)} private key(s)"


def _rules(folder: Path) -> Path:
    """The shipped rules as one file, for the yara program."""
    from lockgate.formats import ALL

    target = folder / "rules.yar"
    target.write_text("\n".join(form.rule_source for form in ALL))
    return target


def _files(corpus: Path) -> list[str]:
    return [str(corpus)] if corpus.is_file() else sorted(map(str, corpus.iterdir()))


def _lines(word: str) -> object:
    return lambda output: f"{len(output.splitlines())} {word}"


def measure(corpus: Path, name: str, rules: Path) -> list[Speed]:
    """Every program that is installed, on one corpus."""
    scan = [_LOCKGATE, "scan", "--format", "json"]
    programs = [
        ("lockgate scan", [*scan, str(corpus)], _lockgate_result),
        ("lockgate scan, fast", [*scan, "--profile", "fast", str(corpus)], _lockgate_result),
        ("yara (same rules)", ["yara", "-r", "-w", str(rules), str(corpus)], _lines("matches")),
        ("sha256sum", ["sha256sum", *_files(corpus)], lambda _: ""),
    ]
    if corpus.is_file():
        programs += [
            ("lockgate scan, deep", [*scan, "--profile", "deep", str(corpus)], _lockgate_result),
            ("rsakeyfind", ["rsakeyfind", str(corpus)], lambda o: f"{o.count('FOUND')} keys"),
            ("aeskeyfind", ["aeskeyfind", "-q", str(corpus)], _lines("AES keys")),
        ]
    megabytes = corpora.size_of(corpus) / 1e6
    speeds = []
    for program, command, conclude in programs:
        if shutil.which(command[0]):
            cpu, peak, output = _timed(command)
            speeds.append(Speed(program, name, megabytes, cpu, peak, conclude(output)))
    return speeds


def run(folder: Path) -> list[Speed]:
    """All corpora, all programs."""
    rules = _rules(folder)
    made = [
        ("dense core", corpora.core_of(corpora.DENSE_PROGRAM, folder / "dense")),
        ("sparse core", corpora.core_of(corpora.SPARSE_PROGRAM, folder / "sparse")),
        ("random", corpora.random_file(folder)),
        ("text", corpora.text_file(folder)),
        ("libraries", corpora.library_folder(folder)),
    ]
    return [speed for name, corpus in made for speed in measure(corpus, name, rules)]
