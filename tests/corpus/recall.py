"""Scan the corpus and compare with its truth: ``python tests/corpus/recall.py DIR [--json]``.

Each dump is scanned by the command ``lockgate scan``, without a registry and with the key's
public half in one. A *false* finding is one of class protected, private or credential whose
fingerprint is neither a key of the truth, nor an ephemeral key that the server showed to its
clients, nor the nonce of a signature that the program made; these two are counted apart.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keys import load
from nonces import is_nonce

_LOCKGATE = str(Path(sys.executable).with_name("lockgate"))
_CLASSES = {"protected", "private", "credential"}


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: what was reported and what it cost. ``rate`` is MB per CPU second."""

    outcome: str
    findings: dict[str, str]
    offsets: dict[str, int]
    gaps: list[str]
    rate: float
    peak: float


@dataclass(frozen=True, slots=True)
class Row:
    """One dump: what the truth asks for and what the two scans found.

    ``outcome`` is that of the scan without a registry; ``no report``: the command failed.
    """

    name: str
    synthetic: bool
    megabytes: float
    alone: bool
    registered: bool
    found_alone: bool
    found_registered: bool
    false: list[str] = field(default_factory=list)
    ephemeral: int = 0
    outcome: str = ""
    rate: float = 0.0
    peak: float = 0.0
    gaps: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """All that can be proven was found, and nothing else."""
        complete = self.found_alone >= self.alone and self.found_registered >= self.registered
        return complete and not self.false and self.outcome != "no report"


@dataclass(frozen=True, slots=True)
class Dump:
    """One dump and what its truth says; ``keys`` as written by ``truth.Presence``."""

    name: str
    path: Path
    registries: list[Path]
    synthetic: bool
    ephemeral: list[str]
    keys: list[dict[str, Any]]


def scan(paths: list[Path], registries: list[Path]) -> dict[Path, Scan]:
    """Run the command once on some files; its cost is that of all of them."""
    command = [_LOCKGATE, "scan", "--format", "json"]
    for registry in registries:
        command += ["--registry", str(registry)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as words:
        process = subprocess.Popen([*command, *map(str, paths)], stdout=out, stderr=words)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0  # it has been waited for
        out.seek(0)
        reports = [json.loads(text) for text in out.read().splitlines()]
        words.seek(0)
        complaint = words.read()[-300:].decode(errors="replace")
    cpu = usage.ru_utime + usage.ru_stime
    rate = sum(report["size"] for report in reports) / 1e6 / cpu
    seen = {Path(r["path"]): _seen(r, rate, usage.ru_maxrss / 1024) for r in reports}
    return {
        path: seen.get(path, Scan("no report", {}, {}, [complaint], 0.0, 0.0)) for path in paths
    }


def _seen(report: dict[str, Any], rate: float, peak: float) -> Scan:
    return Scan(
        outcome=report["outcome"],
        findings={f["fingerprint"]: _described(f) for f in report["findings"]},
        offsets={f["fingerprint"]: f["offset"] for f in report["findings"]},
        gaps=[f"{g['reason']}: {g['detail']}" for g in report["gaps"]],
        rate=rate,
        peak=peak,
    )


def _described(finding: dict[str, Any]) -> str:
    place = f"{finding['format']}@{finding['offset']}"
    return f"{finding['class']} {finding['algorithm']} {place} {','.join(finding['proof'])}"


def judge(dump: Dump, alone: Scan, known: Scan) -> Row:
    """Compare the scans without and with a registry with the truth."""
    true = {key["fingerprint"] for key in dump.keys}
    reported = {
        fingerprint: text
        for seen in (alone, known)
        for fingerprint, text in seen.findings.items()
        if text.split()[0] in _CLASSES and fingerprint not in true
    }
    ephemeral = {
        fingerprint
        for fingerprint in reported
        if fingerprint in dump.ephemeral
        or _is_nonce(dump, fingerprint, (alone.offsets | known.offsets)[fingerprint])
    }
    return Row(
        name=dump.name,
        synthetic=dump.synthetic,
        megabytes=dump.path.stat().st_size / 1e6,
        alone=any(key["alone"] for key in dump.keys),
        registered=any(key["registered"] for key in dump.keys),
        found_alone=bool(true & set(alone.findings)),
        found_registered=bool(true & set(known.findings)),
        false=[f"{f} {t}" for f, t in reported.items() if f not in ephemeral],
        ephemeral=len(ephemeral),
        outcome=alone.outcome,
        rate=alone.rate,
        peak=max(alone.peak, known.peak),
        gaps=sorted(set(alone.gaps)),
    )


def _is_nonce(dump: Dump, fingerprint: str, offset: int) -> bool:
    """Whether a finding is a nonce of the key; only dumps that are not packed can be asked."""
    secret = dump.path.with_name("secret.key")
    if not secret.exists() or not secret.read_bytes().startswith(b"-----BEGIN"):
        return False
    return is_nonce(dump.path, offset, fingerprint, load(secret.read_bytes()))


def dumps(corpus: Path, patterns: list[str]) -> Iterator[Dump]:
    """The dumps of a built corpus; ``patterns`` choose by ``folder/file``."""
    for truth in sorted(corpus.glob("*/truth.json")):
        record, folder = json.loads(truth.read_text()), truth.parent
        registry = folder / "registry.pem"
        for row in record["dumps"]:
            name = f"{folder.name}/{row['file']}"
            if not patterns or any(fnmatch.fnmatch(name, p) for p in patterns):
                yield Dump(
                    name=name,
                    path=folder / row["file"],
                    registries=[registry] if registry.exists() else [],
                    synthetic=record["synthetic"],
                    ephemeral=record["ephemeral"],
                    keys=row["keys"],
                )


def rows(corpus: Path, patterns: list[str]) -> Iterator[Row]:
    """One row per dump, each scanned by commands of its own."""
    for dump in dumps(corpus, patterns):
        alone = scan([dump.path], [])[dump.path]
        known = scan([dump.path], dump.registries)[dump.path] if dump.registries else alone
        yield judge(dump, alone, known)


def rows_together(corpus: Path, patterns: list[str]) -> list[Row]:
    """All rows from two commands: one without a registry, one with every key registered."""
    found = list(dumps(corpus, patterns))
    registries = sorted({registry for dump in found for registry in dump.registries})
    alone = scan([dump.path for dump in found], [])
    known = scan([dump.path for dump in found], registries)
    return [judge(dump, alone[dump.path], known[dump.path]) for dump in found]


def _of(found: bool, present: bool) -> str:
    return f"{int(found)}/{int(present)}" + (" MISS" if present and not found else "")


def line(row: Row) -> str:
    """One line of the table."""
    cells = (
        f"{row.name:44}",
        f"{row.megabytes:8.1f}",
        f"{_of(row.found_alone, row.alone):9}",
        f"{_of(row.found_registered, row.registered):9}",
        f"{len(row.false):5}",
        f"{row.ephemeral:5}",
        f"{row.outcome:10}",
        f"{row.rate:7.0f}",
        f"{row.peak:6.0f}",
    )
    return " ".join(cells)


HEADER = (
    f"{'dump':44} {'MB':>8} {'alone':9} {'registry':9} {'false':>5} {'ephem':>5} "
    f"{'outcome':10} {'MB/s':>7} {'MB RSS':>6}"
)


def totals(judged: list[Row]) -> list[str]:
    """Sums of real and of synthetic dumps, apart."""
    lines = []
    for title, synthetic in (("real", False), ("synthetic", True)):
        part = [row for row in judged if row.synthetic is synthetic]
        alone = sum(r.alone and r.found_alone for r in part), sum(r.alone for r in part)
        known = (
            sum(r.registered and r.found_registered for r in part),
            sum(r.registered for r in part),
        )
        lines.append(
            f"{title}: {len(part)} dumps; found alone {alone[0]}/{alone[1]}, registered "
            f"{known[0]}/{known[1]}; false findings {sum(len(r.false) for r in part)}"
        )
    return lines


def main() -> int:
    """Print the table; exit 1 where a row is not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", action="append", default=[], metavar="FOLDER/FILE")
    parser.add_argument(
        "--together", action="store_true", help="two commands for all: quicker, no cost by row"
    )
    parser.add_argument("--json", action="store_true", help="one object per row")
    wanted = parser.parse_args()
    judged: list[Row] = []
    began = time.monotonic()
    if not wanted.json:
        print(HEADER)
    way = rows_together if wanted.together else rows
    for row in way(wanted.corpus, wanted.only):
        judged.append(row)
        if wanted.json:
            print(json.dumps(asdict(row)), flush=True)
        else:
            print("\n    ".join([line(row), *(f"FALSE {text}" for text in row.false)]), flush=True)
    if not wanted.json:
        print("\n".join(totals(judged)), f"\n{time.monotonic() - began:.0f} s", flush=True)
    return int(not all(row.is_right for row in judged))


if __name__ == "__main__":
    sys.exit(main())
