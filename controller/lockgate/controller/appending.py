"""The part of the ledger that writers need; ``lockgate.controller.ledger`` is the whole."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection


class Ledger(Protocol):
    """Something that appends."""

    def append(self, connection: Connection, entry: Any) -> int:
        """Append in the transaction of ``connection``; the entry's index."""
        ...
