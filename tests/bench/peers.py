"""Key finders of others, each run on a folder of files: which files it says hold a private key.

A peer is credited with a file when any of its findings there names a private key, whatever key it
is: they give no fingerprint that could be compared. Findings such as "high entropy" do not count.
Those that are not installed are left out, and said to be so.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 900
_NAMES_A_KEY = re.compile(r"private.?key|pkcs|\bpem\b|openssh|\bage\b|ppk", re.IGNORECASE)
_LABEL = rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----"
#: What public rule sets for YARA look for: the labels of armour.
_YARA_RULES = """
rule pem_label { strings: $a = /-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY/ condition: $a }
rule ppk { strings: $a = "PuTTY-User-Key-File-" condition: $a }
rule age { strings: $a = "AGE-SECRET-KEY-1" condition: $a }
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program. ``files`` gives the files of a folder that it says hold a private key."""

    name: str
    program: str
    files: Callable[[Path], Iterator[Path]]


def _run(*command: str | Path, folder: Path | None = None) -> bytes:
    try:
        done = subprocess.run(
            command, capture_output=True, cwd=folder, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout


def _kingfisher(folder: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".json") as target:
        words = ("scan", "--no-validate", "--format", "json", "--output", target.name)
        _run("kingfisher", *words, folder)
        report = json.loads(target.read() or b"{}")
    for found in (report if isinstance(report, dict) else {}).get("findings", []):
        if _NAMES_A_KEY.search(f"{found['rule']['name']} {found['rule']['id']}"):
            yield Path(found["finding"]["path"])


def _betterleaks(folder: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".json") as target:
        words = (folder, "--output", target.name, "--silent", "--no-banner")
        _run("betterleaks", *words)
        report = json.loads(target.read() or b"{}")
    for found in report.get("findings", []):
        if _NAMES_A_KEY.search(found["rule_id"]):
            yield Path(found["location"]["path"])


def _detect_secrets(folder: Path) -> Iterator[Path]:
    shown = _run("detect-secrets", "scan", "--all-files", ".", folder=folder)
    for name, found in json.loads(shown or b"{}").get("results", {}).items():
        if any(_NAMES_A_KEY.search(each["type"]) for each in found):
            yield folder / name


def _trufflehog3(folder: Path) -> Iterator[Path]:
    shown = _run("trufflehog3", "--no-history", "-f", "JSON", folder)
    for found in json.loads(shown or b"[]"):
        if _NAMES_A_KEY.search(f"{found['rule']['id']} {found['rule']['message']}"):
            yield folder / found["path"]


def _each(folder: Path, holds: Callable[[Path], bool]) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if holds(path))


def _strings(folder: Path) -> Iterator[Path]:
    pattern = re.compile(_LABEL)
    return _each(folder, lambda path: bool(pattern.search(_run("strings", "-a", path))))


def _yara(folder: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", suffix=".yar") as rules:
        rules.write(_YARA_RULES)
        rules.flush()
        shown = _run("yara", "-w", "-r", rules.name, folder).decode(errors="replace")
    for line in shown.splitlines():
        yield Path(line.split(" ", 1)[1])


def _rsakeyfind(folder: Path) -> Iterator[Path]:
    return _each(folder, lambda path: b"FOUND PRIVATE KEY" in _run("rsakeyfind", path))


def _aeskeyfind(folder: Path) -> Iterator[Path]:
    return _each(folder, lambda path: bool(_run("aeskeyfind", "-q", path).strip()))


PEERS = (
    Peer("kingfisher", "kingfisher", _kingfisher),
    Peer("betterleaks", "betterleaks", _betterleaks),
    Peer("detect-secrets", "detect-secrets", _detect_secrets),
    Peer("trufflehog3", "trufflehog3", _trufflehog3),
    Peer("yara, PEM rules", "yara", _yara),
    Peer("strings, grep", "strings", _strings),
    Peer("rsakeyfind", "rsakeyfind", _rsakeyfind),
    Peer("aeskeyfind", "aeskeyfind", _aeskeyfind),
)


def installed() -> list[Peer]:
    """The peers that can be run here."""
    return [peer for peer in PEERS if shutil.which(peer.program)]
