"""The store in one SQLite file: for one serving controller.

Rules enforced here:

1. SQLite runs with WAL and synchronous=FULL, and the store refuses to open when a PRAGMA read
   back says otherwise: an acknowledged decision survives a power cut or is not acknowledged.
2. A writing transaction takes the write lock at its beginning (BEGIN IMMEDIATE).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool

from lockgate.controller.store.faults import StoreError, store_faults

_SYNCHRONOUS = {"OFF": 0, "NORMAL": 1, "FULL": 2, "EXTRA": 3}
_BUSY_MILLISECONDS = 10_000
#: What keeps the cost of a commit flat in a large store: 64 MiB of pages in memory, and a
#: checkpoint of the log after 32 MiB of it instead of 4, since it holds up whoever waits.
_LARGE = {"cache_size": "-65536", "wal_autocheckpoint": "8192"}


def open_writer(path: Path, durability: str) -> Engine:
    """The engine of a writer; creates the file.

    Raises:
        StoreError: the database does not keep the durability asked for.
    """
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False}, hide_parameters=True
    )
    pragmas = {"journal_mode": "WAL", "synchronous": durability, **_LARGE}
    _configure(engine, "BEGIN IMMEDIATE", pragmas)
    with store_faults(), engine.connect() as connection:
        _verify(connection.exec_driver_sql, durability)
    return engine


def open_reader(path: Path) -> Engine:
    """An engine that can only read."""
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
