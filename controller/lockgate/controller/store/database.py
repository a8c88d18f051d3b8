"""Opening the store: durable writers, any number of readers.

Rules enforced here:

1. A store is an SQLite file (a path) or a PostgreSQL database (a URL); nothing outside this
   package asks which, and both keep the rules of ``store.sqlite`` and ``store.postgresql``.
2. A writing transaction excludes every other one from its beginning to its end, in any
   process, so what it has read is still true when it commits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from lockgate.controller.store import postgresql, sqlite
from lockgate.controller.store.faults import (
    StoreError,
    StoreFullError,
    is_of_store,
    store_error,
    store_faults,
)

__all__ = [
    "Place",
    "StoreError",
    "StoreFullError",
    "exists",
    "is_of_store",
    "name_of",
    "open_reader",
    "open_writer",
    "parse_url",
    "store_error",
    "store_faults",
]

#: Where a store is.
Place: TypeAlias = Path | URL

_DRIVER = "postgresql+psycopg"


def parse_url(text: str) -> URL:
    """The PostgreSQL database that ``text`` names.

    Raises:
        ValueError: it names none, or holds a password.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(f'"database": expected a URL {_DRIVER}://HOST/NAME') from None
    if url.drivername != _DRIVER or not url.database:
        raise ValueError(f'"database": expected a URL {_DRIVER}://HOST/NAME')
    if url.password is not None or "password" in url.query:
        raise ValueError('"database": a password does not belong into it; use ?passfile=FILE')
    return url


def open_writer(place: Place, *, durability: str = "FULL") -> Engine:
    """The engine of the one writer of this process.

    ``durability`` is a value of SQLite's PRAGMA synchronous. Anything but ``FULL`` loses
    acknowledged decisions at a power cut and exists so that a test can see the loss.

    Raises:
        StoreError: the database is away, or does not keep the durability asked for.
    """
    if isinstance(place, Path):
        return sqlite.open_writer(place, durability)
    return postgresql.open_writer(place, durability)


def open_reader(place: Place) -> Engine:
    """An engine that can only read.

    Raises:
        StoreError: there is no store at ``place``.
    """
    if not isinstance(place, Path):
        return postgresql.open_reader(place)
    if not place.exists():
        raise StoreError(f"{place}: no store here; run `lockgate controller init` first")
    return sqlite.open_reader(place)


def exists(place: Place) -> bool:
    """Whether there is a store at ``place``.

    Raises:
        StoreError: that cannot be told.
    """
    if isinstance(place, Path):
        return place.exists()
    return postgresql.exists(place)


def name_of(place: Place) -> str:
    """The place as it may be shown."""
    if isinstance(place, Path):
        return str(place)
    return postgresql.name_of(place)
