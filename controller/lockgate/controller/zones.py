"""The state of each zone, as its agent told it last.

Rules enforced here:

1. A state is what an agent said, with the reasons it gave; silence changes nothing here, and
   shows in when the agent was last seen.
2. ``since`` is when the state began; further reasons for the same state do not move it.
3. What concerns the intake of core dumps is no state of a zone.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, insert, select, update

from lockgate.controller.store.schema import zones
from lockgate.wire.transfer import GuardChange

#: The state that a zone is in after a change; others are about something else.
STATES: Mapping[GuardChange, str] = {
    GuardChange.ARMED: "enforcing",
    GuardChange.RECOVERED: "enforcing",
    GuardChange.DEGRADED: "degraded",
    GuardChange.BLIND: "blind",
    GuardChange.DISARMED: "disarmed",
}
_HERE = (zones.c.host == bindparam("at_host")) & (zones.c.zone == bindparam("at_zone"))
_KNOWN = select(zones.c.state).where(_HERE)
_NEW = insert(zones)
_CHANGED = update(zones).where(_HERE)


def record(
    connection: Connection,
    change: GuardChange,
    *,
    host: str,
    zone: str,
    detail: str,
    ledger_index: int,
    micros: int,
) -> None:
    """Keep what an agent told of a zone."""
    state = STATES.get(change)
    if state is None:
        return
    here = {"at_host": host, "at_zone": zone}
    told = {"state": state, "detail": detail, "told_at": micros, "ledger_index": ledger_index}
    known = connection.execute(_KNOWN, here).scalar()
    if known is None:
        connection.execute(_NEW, {"host": host, "zone": zone, "since": micros, **told})
    else:
        since = {} if known == state else {"since": micros}
        connection.execute(_CHANGED.values(**told, **since), here)
