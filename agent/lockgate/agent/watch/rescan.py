"""Looking at every file below a folder, as lazily as the caller takes them.

Rules enforced here:

1. Links are not followed, and directories are read one level at a time: the memory needed
   grows with the depth of the tree, not with its files.
2. What cannot be looked at is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: A deeper tree would take every descriptor, and is none that people make.
_MOST_LEVELS = 128


@dataclass(slots=True)
class Look:
    """What one look at a tree came across."""

    directories: int = 0
    unreadable: int = 0
    #: Links, FIFOs, sockets and devices.
    special: int = 0


def files_below(folder: Path, look: Look) -> Iterator[Path]:
    """Every regular file below ``folder``, counted in ``look`` while it goes on."""
    levels = [_entries(folder, look)]
    while levels:
        entry = next(levels[-1], None)
        if entry is None:
            levels.pop()
        elif entry.is_dir(follow_symlinks=False):
            if len(levels) < _MOST_LEVELS:
                levels.append(_entries(Path(entry.path), look))
            else:
                look.unreadable += 1
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)
        else:
            look.special += 1


def _entries(folder: Path, look: Look) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            look.directories += 1
            yield from entries
    except OSError:
        look.unreadable += 1
