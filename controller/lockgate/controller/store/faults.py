"""What goes wrong with a store, in words that may be logged.

Rules enforced here:

1. A full disk is one exception, :class:`StoreFullError`; every other failure of the database
   is :class:`StoreError`. Neither text holds a statement, parameters or row contents.
2. A unit of work that breaks a rule of the schema is at fault itself; a database that is
   away, full, read-only or locked is the store's fault, whatever driver says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

_SQLITE_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
#: PostgreSQL, appendix A: disk_full, and io_error, which a full disk can be too.
_POSTGRESQL_FULL = {"53100", "58030"}


class StoreError(Exception):
    """The database could not do what was asked; nothing was written that is relied upon."""


class StoreFullError(StoreError):
    """The disk under the store is full (or refuses to write); nothing was written."""


def is_of_store(error: DBAPIError) -> bool:
    """Whether the database failed, and not the statement."""
    failed = (OperationalError, InterfaceError, InternalError)
    return error.connection_invalidated or isinstance(error, failed)


def store_error(error: DBAPIError) -> StoreError:
    """The failure in this module's words."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    state = getattr(error.orig, "sqlstate", None)
    full = code in _SQLITE_FULL or state in _POSTGRESQL_FULL
    name = type(error.orig).__name__
    lines = str(error.orig).splitlines()
    text = f"SQLSTATE {state}" if state else "".join(lines[:1])  # PostgreSQL's may quote a row
    return (StoreFullError if full else StoreError)(f"{name}: {text}")


@contextmanager
def store_faults() -> Iterator[None]:
    """Failures of the database inside leave as :class:`StoreError`."""
    try:
        yield
    except DBAPIError as error:
        raise store_error(error) from None
