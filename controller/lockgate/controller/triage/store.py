"""Rulings in the store: made, ended, read.

Rules enforced here:

1. Of two rulings on one key the later holds; the earlier ends.
2. A ruling that has run out is ended once and for good, with a ledger entry and an alert: a
   clock that is set back does not revive it.
3. Hosts on which the key was found forget what was decided under a ruling that ends before its
   time. What was decided under one that runs out runs out with it.
"""

from __future__ import annotations

from datetime import datetime
from socket import gethostname
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import MEDIUM
from lockgate.controller.appending import Ledger
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.clock import from_micros, rfc3339, to_micros
from lockgate.controller.stream.forgetting import forget
from lockgate.controller.triage.rulings import Ruling, TriageAs
from lockgate.controller.triage.schema import rulings

_COLUMNS = rulings.c
_HERE = _COLUMNS.ended_at.is_(None)
_VERSION = select(func.coalesce(func.max(_COLUMNS.version), 0))


def version(connection: Connection) -> int:
    """Grows with every change of the rulings; 0 when there was none."""
    return int(connection.execute(_VERSION).scalar_one())


def in_force(connection: Connection) -> list[Ruling]:
    """The rulings that were not ended."""
    rows = connection.execute(select(rulings).where(_HERE))
    return [
        Ruling(row.id, row.fingerprint, TriageAs(row.triage_as), from_micros(row.until))
        for row in rows
    ]


def listed(connection: Connection, fingerprint: str | None, most: int) -> list[Row[Any]]:
    """The newest rulings first, of one key or of all."""
    query = select(rulings).order_by(_COLUMNS.made_at.desc(), _COLUMNS.id.desc()).limit(most)
    if fingerprint is not None:
        query = query.where(_COLUMNS.fingerprint == fingerprint)
    return list(connection.execute(query).all())


def make(
    connection: Connection,
    ledger: Ledger,
    ruling: Ruling,
    reason: str,
    approval: Approval,
    now: datetime,
) -> None:
    """Rule on a key from now on."""
    for earlier in connection.execute(
        select(rulings).where(_HERE, _COLUMNS.fingerprint == ruling.fingerprint)
    ).all():
        _end(connection, ledger, earlier, "replaced", approval.people, now)
        forget(connection, ledger, ruling.fingerprint, now, by=f"change {ruling.id}")
    until = to_micros(ruling.until)
    connection.execute(
        insert(rulings).values(
            id=ruling.id,
            fingerprint=ruling.fingerprint,
            triage_as=ruling.triage_as.value,
            reason=reason,
            made_at=to_micros(now),
            until=until,
            proposed_by=approval.proposed_by,
            approved_by=approval.approved_by,
            version=version(connection) + 1,
        )
    )
    entry = {"triage_as": ruling.triage_as.value, "until": rfc3339(ruling.until)}
    said = _entry("triage", ruling.id, ruling.fingerprint, approval.people, now)
    ledger.append(connection, {**said, **entry})


def withdraw(
    connection: Connection, ledger: Ledger, fingerprint: str, person: str, now: datetime
) -> bool:
    """End the ruling on a key before its time; False: there is none."""
    query = select(rulings).where(_HERE, _COLUMNS.fingerprint == fingerprint)
    row = connection.execute(query).first()
    if row is not None:
        _end(connection, ledger, row, "withdrawn", [person], now)
        forget(connection, ledger, fingerprint, now, by=person)
    return row is not None


def expire(connection: Connection, ledger: Ledger, now: datetime) -> int:
    """End and tell of every ruling whose time has come; how many."""
    over = connection.execute(select(rulings).where(_HERE, _COLUMNS.until <= to_micros(now))).all()
    for row in over:
        index = _end(connection, ledger, row, "expired", [], now)
        title = f"the triage of a key has expired: {row.fingerprint}"
        message = "The key counts as what it is again, and its files are decided so."
        fields = {"event": "triage-expired", "fingerprint": row.fingerprint, "ruling": row.id}
        told = notice_event(title, message, gethostname(), MEDIUM, index, fields, now)
        outbox.put(connection, told, index, to_micros(now))
    return len(over)


def _end(
    connection: Connection,
    ledger: Ledger,
    row: Row[Any],
    why: str,
    people: list[str],
    now: datetime,
) -> int:
    values = {"ended_at": to_micros(now), "ended_by": why, "version": version(connection) + 1}
    connection.execute(update(rulings).where(_COLUMNS.id == row.id).values(**values))
    entry = _entry(f"triage-{why}", row.id, row.fingerprint, people, now)
    return ledger.append(connection, entry)


def _entry(
    kind: str, ruling_id: str, fingerprint: str, people: list[str], now: datetime
) -> dict[str, Any]:
    return {
        "kind": kind,
        "time": rfc3339(now),
        "ruling": ruling_id,
        "fingerprint": fingerprint,
        "by": people,
    }
