"""Copies of a store of one moment, while others write into it.

Rules enforced here:

1. A copy is of one moment: SQLite's backup in one step, or one snapshot of pg_dump.
2. A store is only ever loaded into a place where there is none.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from lockgate.controller.backup.archive import BackupError
from lockgate.controller.store.database import Place

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_DUMP = ("pg_dump", "--format=custom", "--no-owner", "--no-privileges")
_LOAD = ("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")


def kind_of(place: Place) -> str:
    """The kind of store at ``place``."""
    return SQLITE if isinstance(place, Path) else POSTGRESQL


def copy(place: Place, target: Path) -> None:
    """Copy the store to the file ``target``.

    Raises:
        BackupError: it cannot be copied; the text says what to do.
    """
    if not isinstance(place, Path):
        _run(*_DUMP, f"--file={target}", f"--dbname={_plain(place)}")
        return
    try:
        uri = f"{place.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True)) as source,
            closing(sqlite3.connect(target)) as made,
        ):
            source.backup(made)
    except sqlite3.Error as error:
        raise BackupError(f"{place}: cannot be copied ({error})") from None


def load(dump: Path, place: URL) -> None:
    """Load a dump into an empty PostgreSQL database, whole or not at all.

    Raises:
        BackupError: it cannot be loaded.
    """
    _run(*_LOAD, f"--dbname={_plain(place)}", str(dump))


def _plain(url: URL) -> str:
    """The URL as libpq reads it."""
    return url.set(drivername="postgresql").render_as_string()


def _run(program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise BackupError(
            f"{program} is not installed; install the client programs of PostgreSQL"
            " (Debian: postgresql-client), or use the server's own backup (pg_basebackup)"
        )
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError("; ".join(done.stderr.strip().splitlines()[:2]))
