"""The outbox: alerts are written with what they tell of, and delivered afterwards.

Rules enforced here:

1. An alert is a row in the transaction of its cause: neither exists without the other.
2. Every destination has its own cursor and gets the rows in order. The cursor moves only
   past what the destination has acknowledged or refused for good, and never backwards.
3. What was refused for good is a dead letter with its error, visible until an operator acts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import alerts, dead_letters, destinations

# Statements of the hot path are built once: building costs more than SQLite's work.
_NEW_ALERT = Prepared(insert(alerts))


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of the outbox; ``event`` is the OCSF event as JSON text."""

    id: int
    uid: str
    event: str


def put(connection: Connection, event: Mapping[str, Any], ledger_index: int, micros: int) -> None:
    """Add an event to the outbox."""
    row = {
        "uid": event["metadata"]["uid"],
        "created_at": micros,
        "ledger_index": ledger_index,
        "event": json.dumps(event, ensure_ascii=False, separators=(",", ":")),
    }
    _NEW_ALERT.run(connection, row)


def add_destination(connection: Connection, name: str, *, confirms: bool = True) -> None:
    """Know a destination; a new one starts at the oldest alert."""
    known = update(destinations).where(destinations.c.name == name).values(confirms=confirms)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(destinations).values(name=name, confirms=confirms))


def next_batch(connection: Connection, destination: str, limit: int) -> list[Alert]:
    """The alerts after the destination's cursor, in order."""
    cursor = select(destinations.c.cursor).where(destinations.c.name == destination)
    rows = connection.execute(
        select(alerts.c.id, alerts.c.uid, alerts.c.event)
        .where(alerts.c.id > cursor.scalar_subquery())
        .order_by(alerts.c.id)
        .limit(limit)
    )
    return [Alert(row.id, row.uid, row.event) for row in rows]


def acknowledge(connection: Connection, destination: str, alert_id: int, micros: int) -> None:
    """The destination has everything up to ``alert_id``."""
    connection.execute(
        update(destinations)
        .where(destinations.c.name == destination, destinations.c.cursor < alert_id)
        .values(cursor=alert_id, delivered_at=micros, failures=0, error=None)
    )


def record_failure(connection: Connection, destination: str, error: str, micros: int) -> None:
    """The destination could not be reached; its cursor stays."""
    connection.execute(
        update(destinations)
        .where(destinations.c.name == destination)
        .values(failures=destinations.c.failures + 1, failed_at=micros, error=error)
    )


def bury(connection: Connection, destination: str, alert_id: int, error: str, micros: int) -> None:
    """The destination refuses this alert for good; go on with the next."""
    connection.execute(
        insert(dead_letters).values(
            destination=destination, alert_id=alert_id, died_at=micros, error=error
        )
    )
    connection.execute(
        update(destinations)
        .where(destinations.c.name == destination, destinations.c.cursor < alert_id)
        .values(cursor=alert_id, failures=0)
    )


def status(connection: Connection) -> list[dict[str, Any]]:
    """Delivery status of every destination."""
    newest = connection.execute(select(func.max(alerts.c.id))).scalar() or 0
    dead = select(dead_letters.c.destination, func.count().label("count")).group_by(
        dead_letters.c.destination
    )
    buried = {row.destination: row.count for row in connection.execute(dead)}
    rows = connection.execute(select(destinations).order_by(destinations.c.name)).mappings()
    return [{**row, "newest": newest, "dead": buried.get(row["name"], 0)} for row in rows]
