"""Which files a Debian package installed.

Rules enforced here:

1. A file is a package's when dpkg lists it, it is that very file, and its digest is the one
   that came with the package (deb-md5sums(5)); a file without a digest there is nobody's.
2. Only dpkg is read. On a host without it, packages are refused when the settings are read:
   silence would look like an entry that works.

MD5 tells a changed file from the packaged one; only root can put another in its place.
"""

from __future__ import annotations

import os
from pathlib import Path

from lockgate.agent.guard.programs import Program

_DATABASE = Path("/var/lib/dpkg/info")
#: Folders that may be links to their namesakes below /usr (file-hierarchy(7)).
_MERGED = ("/usr/bin/", "/usr/sbin/", "/usr/lib/")


def is_known(database: Path = _DATABASE) -> bool:
    """Whether this host has a package database that can be read."""
    return database.is_dir()


def owns(package: str, program: Program, database: Path = _DATABASE) -> bool:
    """Whether ``package`` (of whatever architecture) installed the program."""
    names = _names_of(program.path)
    return any(
        _lists(listing, names, program)
        for listing in (
            database / f"{package}.md5sums",
            *database.glob(f"{_literal(package)}:*.md5sums"),
        )
    )


def _lists(sums: Path, names: tuple[str, ...], program: Program) -> bool:
    try:
        lines = sums.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    for line in lines:
        digest, _, name = line.partition("  ")
        if f"/{name}" in names and digest == program.md5 and _is_file(f"/{name}", program):
            return True
    return False


def _is_file(path: str, program: Program) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116 - the numbers are wanted
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (program.device, program.inode)


def _names_of(path: str) -> tuple[str, ...]:
    """The path, and the one that a package built before the merge of /usr lists."""
    merged = path.startswith(_MERGED)
    return (path, path.removeprefix("/usr")) if merged else (path,)


def _literal(name: str) -> str:
    """A package's name without the signs that glob(7) would expand; it can hold none."""
    return "".join(sign for sign in name if sign.isalnum() or sign in "+-.")
