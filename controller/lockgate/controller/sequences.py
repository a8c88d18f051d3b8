"""Message numbers of agents: what is missing is known.

Rules enforced here:

1. An agent numbers its mutating messages from 1. A number that is skipped is a gap: a row,
   and a ledger entry, at once. A late message closes its part of the gap, and says so.
2. A number that was seen already, under a new request id, means that the agent lost its
   count (a restored disk, a copied key): recorded, and counting goes on from there.
3. Enrolling again starts the count again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import agents, sequence_gaps

Append = Callable[[Mapping[str, Any]], int]


# Statements of the hot path are built once: building costs more than SQLite's work.
_LAST = Prepared(select(agents.c.last_sequence).where(agents.c.host == bindparam("host")))
_SEEN = Prepared(
    update(agents)
    .where(agents.c.host == bindparam("agent"))
    .values(last_sequence=bindparam("sequence"), last_seen_at=bindparam("seen_at"))
)


def observe(
    connection: Connection, append: Append, host: str, sequence: int, micros: int, time: str
) -> None:
    """Record that message ``sequence`` of ``host`` has come, and what that says."""
    last = _LAST.scalar(connection, {"host": host})
    if last is None or sequence == last + 1:
        pass
    elif sequence > last:
        gap = {"host": host, "first": last + 1, "last": sequence - 1}
        connection.execute(insert(sequence_gaps).values(**gap, seen_at=micros))
        append({"kind": "sequence-gap", "time": time, **gap})
    elif _fill(connection, host, sequence):
        append({"kind": "sequence-late", "time": time, "host": host, "sequence": sequence})
        sequence = last
    else:
        rewound = {"host": host, "from": last, "to": sequence}
        append({"kind": "sequence-rewound", "time": time, **rewound})
    _SEEN.run(connection, {"agent": host, "sequence": sequence, "seen_at": micros})


def _fill(connection: Connection, host: str, sequence: int) -> bool:
    """Take ``sequence`` out of the gap it lies in; False when it lies in none."""
    gap = connection.execute(
        select(sequence_gaps).where(
            sequence_gaps.c.host == host,
            sequence_gaps.c.first <= sequence,
            sequence_gaps.c.last >= sequence,
        )
    ).first()
    if gap is None:
        return False
    connection.execute(delete(sequence_gaps).where(sequence_gaps.c.id == gap.id))
    for first, last in _rest(gap, sequence):
        values = {"host": host, "first": first, "last": last, "seen_at": gap.seen_at}
        connection.execute(insert(sequence_gaps).values(**values))
    return True


def _rest(gap: Row[Any], sequence: int) -> list[tuple[int, int]]:
    halves = [(gap.first, sequence - 1), (sequence + 1, gap.last)]
    return [(first, last) for first, last in halves if first <= last]
