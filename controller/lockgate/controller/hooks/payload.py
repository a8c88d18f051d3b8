"""What a hook is told, as JSON.

Rules enforced here:

1. It names the key, its owner, what to do, and where the key was seen. No path and no person is
   in it: those are shown to people who log in.
2. ``idempotency_key`` is the same in every attempt of one run; ``attempt`` counts them.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from lockgate.controller.clock import text
from lockgate.controller.hooks.queue import Run
from lockgate.controller.incidents.schema import incident_places
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.store.schema import incidents

#: Places that one payload names.
_PLACES = 100


def payload(connection: Connection, run: Run, keys: ProtectedKeys, now: datetime) -> bytes:
    """The bytes for one attempt."""
    told = {
        "idempotency_key": run.uid,
        "attempt": run.attempt,
        "hook": run.hook,
        "action": run.action,
        "cause": run.cause.word,
        "transfer_id": run.cause.transfer_id,
        "ledger_index": run.cause.ledger_index,
        "confirmed_by_change": run.change_id,
        "queued_at": text(run.queued_at),
        "key": _key(run.cause.fingerprint, keys, now),
        "incident": _incident(connection, run.cause.fingerprint),
        "places": _places(connection, run.cause.fingerprint),
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _key(fingerprint: str, keys: ProtectedKeys, now: datetime) -> dict[str, Any]:
    record = keys.record_of(fingerprint)
    made = record.made
    return {
        "fingerprint": fingerprint,
        "name": keys.name_of(fingerprint),
        "owner": record.owner,
        "signs": record.signs,
        "zones": list(record.zones),
        "made": None if made is None else made.isoformat(),
        "age_days": None if made is None else (now.date() - made).days,
        "on_leak": record.on_leak,
    }


def _incident(connection: Connection, fingerprint: str) -> dict[str, Any] | None:
    query = select(incidents).where(incidents.c.fingerprint == fingerprint)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return {
        "id": row["id"],
        "state": row["state"],
        "class": row["class"],
        "algorithm": row["algorithm"],
        "bits": row["bits"],
        "first_seen_at": text(row["first_seen_at"]),
        "last_seen_at": text(row["last_seen_at"]),
        "sightings": row["sightings"],
    }


def _places(connection: Connection, fingerprint: str) -> list[dict[str, Any]]:
    columns = incident_places.c
    query = select(incident_places).where(columns.fingerprint == fingerprint)
    rows = connection.execute(query.order_by(columns.last_seen_at.desc()).limit(_PLACES))
    return [
        {
            "host": row.host,
            "zone": row.zone,
            "last_seen_at": text(row.last_seen_at),
            "sightings": row.sightings,
        }
        for row in rows
    ]
