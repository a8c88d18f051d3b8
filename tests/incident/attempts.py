"""Attempts to carry a file out of the zone, with ordinary tools, and what came of them.

Rules enforced here: an attempt counts as refused only when the tool failed *and* nothing of
the file's bytes arrived outside; a tool that is not installed is named, not passed over.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Every ELF core begins with this (elf(5)); it is how an arrived copy is recognised.
ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. ``arrived``: the file's bytes are outside; ``tried`` False: no such tool."""

    way: str
    tried: bool
    arrived: bool
    message: str


def _arrived(outside: Path, mark: bytes) -> bool:
    files = [p for p in outside.rglob("*") if p.is_file()]
    return any(mark in p.read_bytes() for p in files)


def _with_tool(way: str, command: list[str], outside: Path, mark: bytes) -> Attempt:
    if not shutil.which(command[0]):
        return Attempt(way, tried=False, arrived=False, message=f"{command[0]} is not installed")
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    complaint = (run.stderr.strip().splitlines() or [""])[0]
    return Attempt(way, tried=True, arrived=_arrived(outside, mark), message=complaint)


def _by_open(way: str, path: Path, outside: Path, mark: bytes) -> Attempt:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Attempt(way, tried=True, arrived=False, message=os.strerror(error.errno or 0))
    (outside / path.name).write_bytes(content)
    return Attempt(way, tried=True, arrived=_arrived(outside, mark), message="")


def carry_out(core: Path, link: Path, outside: Path) -> Iterator[Attempt]:
    """Try cp, tar, an open of a hard link, and rsync; each into a folder of its own.

    ``link`` is a hard link to ``core`` in another folder of the zone: it stays when the core
    itself is moved into quarantine.
    """
    for name in ("cp", "tar", "link", "rsync"):
        (outside / name).mkdir()
    cp = ["cp", str(core), str(outside / "cp" / "copy")]
    yield _with_tool("cp", cp, outside / "cp", ELF_MAGIC)
    tar = ["tar", "-cf", str(outside / "tar" / "copy.tar"), "-C", str(link.parent), link.name]
    yield _with_tool("tar", tar, outside / "tar", ELF_MAGIC)
    yield _by_open("open of a hard link", link, outside / "link", ELF_MAGIC)
    rsync = ["rsync", "-a", f"{link.parent}/", str(outside / "rsync")]
    yield _with_tool("rsync", rsync, outside / "rsync", ELF_MAGIC)


def copy_clean(path: Path, outside: Path, mark: bytes) -> Attempt:
    """Copy a file that must pass."""
    outside.mkdir()
    return _with_tool("cp", ["cp", str(path), str(outside / "copy")], outside, mark)
