"""MB/s per core of ``lockgate scan`` beside its peers, on the same bytes in the same run.

MB/s per core = bytes / CPU seconds (user and system) of the whole process tree; M = 10^6.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import corpora


@dataclass(frozen=True, slots=True)
class Speed:
    """One program on one corpus. ``result`` is what the program concluded, in short."""

    program: str
    corpus: str
    megabytes: float
    cpu_seconds: float
    result: str

    @property
    def rate(self) -> float:
        """MB per CPU second."""
        return self.megabytes / self.cpu_seconds if self.cpu_seconds else 0.0


def _timed(command: list[str]) -> tuple[float, str]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, run.stdout


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
    lockgate = str(Path(sys.executable).with_name("lockgate"))
    programs = [
        ("lockgate scan", [lockgate, "scan", "--format", "json", str(corpus)], _lockgate_result),
        ("yara (same rules)", ["yara", "-r", "-w", str(rules), str(corpus)], _lines("matches")),
        ("sha256sum", ["sha256sum", *_files(corpus)], lambda _: ""),
    ]
    if corpus.is_file():
        programs += [
            ("rsakeyfind", ["rsakeyfind", str(corpus)], lambda o: f"{o.count('FOUND')} keys"),
            ("aeskeyfind", ["aeskeyfind", "-q", str(corpus)], _lines("AES keys")),
        ]
    megabytes = corpora.size_of(corpus) / 1e6
    speeds = []
    for program, command, conclude in programs:
        if shutil.which(command[0]):
            cpu, output = _timed(command)
            speeds.append(Speed(program, name, megabytes, cpu, conclude(output)))
    return speeds


def run(folder: Path) -> list[Speed]:
    """All corpora, all programs."""
    rules = _rules(folder)
    made = [
        ("dense core", corpora.core_of(corpora.DENSE_PROGRAM, folder / "dense")),
        ("sparse core", corpora.core_of(corpora.SPARSE_PROGRAM, folder / "sparse")),
        ("random", corpora.random_file(folder)),
        ("libraries", corpora.library_folder(folder)),
    ]
    return [speed for name, corpus in made for speed in measure(corpus, name, rules)]
