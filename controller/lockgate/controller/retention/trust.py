"""Whether the clock may be believed when something is about to expire.

Rules enforced here:

1. A clock that is more than a day ahead of the latest time that expiry has believed lets nothing
   expire. That is recorded and alerted once, and ends with an operator's word.
2. A clock that went back lets nothing expire that would not have by the earlier time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from lockgate.controller.clock import from_micros, rfc3339, to_micros
from lockgate.controller.records import Ledger
from lockgate.controller.retention.schema import retention_clock

AHEAD = timedelta(days=1)


def believed(connection: Connection) -> datetime | None:
    """The latest time that was believed; None before the first."""
    micros = connection.execute(select(retention_clock.c.trusted_at)).scalar()
    return None if micros is None else from_micros(micros)


def believe(connection: Connection, now: datetime) -> bool:
    """Whether ``now`` may be believed; if so it is the latest that was."""
    latest = believed(connection)
    if latest is not None and now - latest > AHEAD:
        return False
    if latest is None or now > latest:
        _set(connection, now, new=latest is None)
    return True


def accept(connection: Connection, ledger: Ledger, reason: str, now: datetime) -> int:
    """An operator says that the clock is right; the ledger index of that."""
    latest = believed(connection)
    entry = {
        "kind": "clock-accepted",
        "time": rfc3339(now),
        "believed": None if latest is None else rfc3339(latest),
        "reason": reason,
    }
    _set(connection, now, new=latest is None)
    return ledger.append(connection, entry)


def _set(connection: Connection, now: datetime, *, new: bool) -> None:
    values = {"trusted_at": to_micros(now)}
    if new:
        connection.execute(insert(retention_clock).values(id=1, **values))
    else:
        connection.execute(update(retention_clock).values(values))
