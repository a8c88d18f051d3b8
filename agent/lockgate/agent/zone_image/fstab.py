"""Entries of ours in fstab(5).

Rules enforced here:

1. An entry is two lines: a comment that names it, and the mount. Nothing else is touched, and
   taking it out gives back the bytes that were there before.
2. The file is replaced whole, with its mode and owner, after fsync(2).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgate.agent.durable import sync_directory

_MARK = "# lockgate zone"
_ESCAPES = {" ": r"\040", "\t": r"\011", "\n": r"\012", "\\": r"\134", "#": r"\043"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is mounted where at every start of the system."""

    key: str
    source: Path
    target: Path
    kind: str
    options: Sequence[str]

    def lines(self) -> str:
        """The two lines."""
        what, where = _escaped(self.source), _escaped(self.target)
        return f"{_mark(self.key)}\n{what} {where} {self.kind} {','.join(self.options)} 0 0\n"


def with_entry(text: str, entry: Entry) -> str:
    """The file with an entry at its end; one of the same key is replaced."""
    before = without_entry(text, entry.key)
    if before and not before.endswith("\n"):
        before += "\n"
    return before + entry.lines()


def without_entry(text: str, key: str) -> str:
    """The file without the entry of that key."""
    kept: list[str] = []
    skip = False
    for line in text.splitlines(keepends=True):
        if line.strip() == _mark(key):
            skip = True
        elif skip:
            skip = False
        else:
            kept.append(line)
    return "".join(kept)


def read(path: Path) -> str:
    """The text of an fstab; empty when there is none."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def replace(path: Path, text: str) -> None:
    """Put ``text`` in place of the file, whole or not at all.

    Raises:
        OSError: the file is as it was.
    """
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as target:
            target.write(text)
            target.flush()
            _take_rights(target.fileno(), path)
            os.fsync(target.fileno())
        Path(temporary).replace(path)
        sync_directory(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _take_rights(fd: int, path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        os.fchmod(fd, 0o644)
        return
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, status.st_mode & 0o777)


def _mark(key: str) -> str:
    return f"{_MARK} {key}: made by `lockgate agent zone create`"


def _escaped(path: Path) -> str:
    return "".join(_ESCAPES.get(char, char) for char in str(path))
