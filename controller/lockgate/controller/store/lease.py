"""Which of several controllers does what only one may do at a time.

Rules enforced here:

1. On PostgreSQL a lease is an advisory lock of one session: it ends when its controller or
   the connection dies, and is asked about again before every use.
2. A lease keeps order, it does not make exactly once: whoever lost it a moment ago may still
   be at work. What it guards must bear being done twice.
3. A store in a file has one serving controller, which holds every lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeAlias

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from lockgate.controller.store.faults import store_error

#: Whether this controller holds the lease of that name; raises StoreError.
Holds: TypeAlias = Callable[[str], bool]

_CLASS = 0x4C48
_TAKE = text("SELECT pg_try_advisory_lock(:class, hashtext(:name))").bindparams(**{"class": _CLASS})
_GIVE_UP = text("SELECT pg_advisory_unlock_all()")
_PING = text("SELECT 1")


class Leases(Protocol):
    """The leases of this controller."""

    def holds(self, name: str) -> bool:
        """Take the lease if nobody has it; whether it is ours.

        Raises:
            StoreError: the store is away, and with it every lease.
        """
        ...

    def close(self) -> None:
        """Give up every lease."""
        ...


class AllLeases:
    """The leases of a controller that has its store for itself."""

    def holds(self, _name: str) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing to give up."""


class SessionLeases:
    """The leases of this controller in a PostgreSQL database, on a connection of their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._held: set[str] = set()

    def holds(self, name: str) -> bool:
        """See :class:`Leases`."""
        with self._lock:
            try:
                return self._ask(name)
            except DBAPIError as error:
                self._drop()
                raise store_error(error) from None

    def close(self) -> None:
        """Give up every lease."""
        with self._lock, suppress(DBAPIError):
            if self._connection is not None:
                self._connection.execute(_GIVE_UP)
        self._drop()

    def _ask(self, name: str) -> bool:
        if self._connection is None:
            fresh = self._engine.connect()
            self._connection = fresh.execution_options(isolation_level="AUTOCOMMIT")
        if name in self._held:
            self._connection.execute(_PING)
            return True
        taken = bool(self._connection.execute(_TAKE, {"name": name}).scalar())
        if taken:
            self._held.add(name)
        return taken

    def _drop(self) -> None:
        """End the session: a lock must not live on in a pool."""
        self._held.clear()
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def leases_in(engine: Engine) -> Leases:
    """The leases of this controller in the store of ``engine``."""
    return AllLeases() if engine.dialect.name == "sqlite" else SessionLeases(engine)
