"""What the read verbs show: rows as plain mappings, ready for JSON.

Rules enforced here:

1. Only reads. Times come out as RFC 3339 text, names as the wire's words.
2. Newest last, bounded by ``limit``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, select

from lockgate.controller import clock
from lockgate.controller.alerts import outbox
from lockgate.controller.store.schema import (
    agents,
    alerts,
    certificates,
    dead_letters,
    findings,
    incidents,
    receipts,
    verdicts,
    zones,
)

_VERDICT_FIELDS = (
    "ledger_index",
    "transfer_id",
    "host",
    "zone",
    "boundary",
    "path",
    "sha256",
    "size",
    "outcome",
    "verdict",
    "hold_reason",
    "rule",
    "message",
    "policy_digest",
    "canary",
)
_INCIDENT_FIELDS = (
    "id",
    "state",
    "fingerprint",
    "kind",
    "class",
    "algorithm",
    "bits",
    "protected_name",
    "sightings",
)
_RECEIPT_FIELDS = (
    "ledger_index",
    "verdict",
    "enforcement",
    "hold_reason",
    "errno_value",
    "path",
    "quarantine_id",
    "quarantine_path",
    "detail",
)


def transfers(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest decisions with their findings and receipts."""
    newest = select(verdicts).order_by(verdicts.c.ledger_index.desc()).limit(limit)
    rows = connection.execute(newest).all()[::-1]
    return [
        {
            **_pick(row, _VERDICT_FIELDS),
            "attempted_at": clock.text(row.attempted_at),
            "decided_at": clock.text(row.decided_at),
            "opener": _json(row.opener),
            "fingerprints": _fingerprints(connection, row.ledger_index),
            "receipts": _receipts(connection, row.transfer_id),
        }
        for row in rows
    ]


def incidents_of(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The incidents, the one seen last at the end."""
    newest = select(incidents).order_by(incidents.c.last_seen_at.desc()).limit(limit)
    return [_incident(connection, row) for row in connection.execute(newest).all()[::-1]]


def agents_of(connection: Connection) -> list[dict[str, Any]]:
    """Every agent with the end of its newest certificate, and the state of its zones."""
    expiry = (
        select(certificates.c.host, func.max(certificates.c.expires_at).label("expires_at"))
        .group_by(certificates.c.host)
        .subquery()
    )
    rows = connection.execute(
        select(agents, expiry.c.expires_at)
        .outerjoin(expiry, expiry.c.host == agents.c.host)
        .order_by(agents.c.host)
    )
    return [
        {
            "host": row.host,
            "enrolled_at": clock.text(row.enrolled_at),
            "last_seen_at": clock.text(row.last_seen_at),
            "last_sequence": row.last_sequence,
            "certificate_expires_at": clock.text(row.expires_at),
            "banned_at": clock.text(row.banned_at),
            "ban_reason": row.ban_reason,
            "evicted_at": clock.text(row.evicted_at),
            "evict_reason": row.evict_reason,
            "zones": _zones(connection, row.host),
        }
        for row in rows
    ]


def _zones(connection: Connection, host: str) -> list[dict[str, Any]]:
    found = select(zones).where(zones.c.host == host).order_by(zones.c.zone)
    return [
        {
            "zone": row.zone,
            "state": row.state,
            "reasons": row.detail,
            "since": clock.text(row.since),
            "told_at": clock.text(row.told_at),
            "ledger_index": row.ledger_index,
        }
        for row in connection.execute(found)
    ]


def deliveries(connection: Connection) -> list[dict[str, Any]]:
    """Delivery status of every destination."""
    return [
        {
            "destination": row["name"],
            "confirms": row["confirms"],
            "delivered_up_to": row["cursor"],
            "newest": row["newest"],
            "dead_letters": row["dead"],
            "delivered_at": clock.text(row["delivered_at"]),
            "failures": row["failures"],
            "failed_at": clock.text(row["failed_at"]),
            "error": row["error"],
        }
        for row in outbox.status(connection)
    ]


def alerts_of(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest alerts, each with the destinations that have it."""
    known = outbox.status(connection)
    dead = {(row.destination, row.alert_id) for row in connection.execute(select(dead_letters))}
    newest = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
    return [
        {
            "id": row.id,
            "uid": row.uid,
            "created_at": clock.text(row.created_at),
            "ledger_index": row.ledger_index,
            "delivery": {each["name"]: _delivery(row.id, each, dead) for each in known},
            "event": json.loads(row.event),
        }
        for row in connection.execute(newest).all()[::-1]
    ]


def _delivery(alert_id: int, destination: Mapping[str, Any], dead: set[tuple[str, int]]) -> str:
    if (destination["name"], alert_id) in dead:
        return "dead"
    if alert_id > destination["cursor"]:
        return "waiting"
    return "delivered" if destination["confirms"] else "sent, unconfirmed"


def _incident(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    seen = connection.execute(
        select(verdicts.c.host, verdicts.c.path, verdicts.c.transfer_id)
        .join(findings, findings.c.ledger_index == verdicts.c.ledger_index)
        .where(findings.c.fingerprint == row.fingerprint)
        .order_by(verdicts.c.ledger_index)
    ).all()
    return {
        **_pick(row, _INCIDENT_FIELDS),
        "first_seen_at": clock.text(row.first_seen_at),
        "last_seen_at": clock.text(row.last_seen_at),
        "hosts": _distinct(s.host for s in seen),
        "files": _distinct(f"{s.host}:{s.path}" for s in seen if s.path is not None),
        "transfers": _distinct(s.transfer_id for s in seen),
    }


def _fingerprints(connection: Connection, index: int) -> list[str]:
    found = select(findings.c.fingerprint).where(findings.c.ledger_index == index)
    return list(connection.execute(found.order_by(findings.c.fingerprint)).scalars())


def _receipts(connection: Connection, transfer_id: str) -> list[dict[str, Any]]:
    found = select(receipts).where(receipts.c.transfer_id == transfer_id)
    return [
        {
            **_pick(row, _RECEIPT_FIELDS),
            "enforced_at": clock.text(row.enforced_at),
            "opener": _json(row.opener),
        }
        for row in connection.execute(found.order_by(receipts.c.ledger_index))
    ]


def _pick(row: Row[Any], names: Iterable[str]) -> dict[str, Any]:
    values = row._asdict()
    return {name: values[name] for name in names}


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
