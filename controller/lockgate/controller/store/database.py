"""Opening the store: one durable writer, any number of readers.

Rules enforced here:

1. SQLite runs with WAL and synchronous=FULL, and the store refuses to open when a PRAGMA read
   back says otherwise: an acknowledged decision survives a power cut or is not acknowledged.
2. A writing transaction takes the write lock at its beginning (BEGIN IMMEDIATE), so what it
   has read is still true when it commits, whoever else writes.
3. A full disk is one exception, :class:`StoreFullError`; every other failure of the database is
   :class:`StoreError`. Neither text holds row contents.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_SYNCHRONOUS = {"OFF": 0, "NORMAL": 1, "FULL": 2, "EXTRA": 3}
_BUSY_MILLISECONDS = 10_000


class StoreError(Exception):
    """The database could not do what was asked; nothing was written."""


class StoreFullError(StoreError):
    """The disk under the store is full (or refuses to write); nothing was written."""


def store_error(error: DBAPIError) -> StoreError:
    """The failure in this module's words, without statement or parameters."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    kind = StoreFullError if code in _FULL else StoreError
    return kind(f"{type(error.orig).__name__}: {error.orig}")


@contextmanager
def store_faults() -> Iterator[None]:
    """Failures of the database inside leave as :class:`StoreError`."""
    try:
        yield
    except DBAPIError as error:
        raise store_error(error) from None


def open_writer(path: Path, *, durability: str = "FULL") -> Engine:
    """The engine of the one writer of this process; creates the file.

    ``durability`` is the value of PRAGMA synchronous. Anything but ``FULL`` loses
    acknowledged decisions at a power cut and exists so that a test can see the loss.

    Raises:
        StoreError: the database does not keep the durability asked for.
    """
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False}, hide_parameters=True
    )
    pragmas = {"journal_mode": "WAL", "synchronous": durability}
    _configure(engine, "BEGIN IMMEDIATE", pragmas)
    with store_faults(), engine.connect() as connection:
        _verify(connection.exec_driver_sql, durability)
    return engine


def open_reader(path: Path) -> Engine:
    """An engine that can only read.

    Raises:
        StoreError: there is no store at ``path``.
    """
    if not path.exists():
        raise StoreError(f"{path}: no store here; run `lockgate controller init` first")
    engine = create_engine(
        f"sqlite:///file:{path}?mode=rw&uri=true", poolclass=NullPool, hide_parameters=True
    )
    _configure(engine, "BEGIN", {"query_only": "ON"})
    return engine


def _configure(engine: Engine, begin: str, pragmas: dict[str, str]) -> None:
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))


def _verify(execute: Any, durability: str) -> None:
    journal = execute("PRAGMA journal_mode").scalar()
    synchronous = execute("PRAGMA synchronous").scalar()
    if journal != "wal" or synchronous != _SYNCHRONOUS[durability]:
        raise StoreError(
            f"the database runs with journal_mode={journal}, synchronous={synchronous};"
            f" asked for wal and {durability}"
        )
