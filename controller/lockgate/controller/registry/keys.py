"""The registry in the store: reading it, and the two ways in which it changes.

Rules enforced here:

1. Every key that is put or removed is one ledger entry in the same transaction. Owners and
   sentences may name people: the ledger has fingerprint, name and zones only.
2. A key that is put again replaces what was written of it.
3. Hosts on which a key was found when it was not protected forget what was decided then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from lockgate.controller.appending import Ledger
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.registry.schema import registry_keys
from lockgate.controller.stream.forgetting import forget
from lockgate.scan.protected import Anchor, KeyRecord, ProtectedKey

_COLUMNS = registry_keys.c
_HERE = _COLUMNS.removed_at.is_(None)
_VERSION = select(func.coalesce(func.max(_COLUMNS.version), 0))


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """One row: the key, and when it came; times in microseconds. ``removed_at``: not any more."""

    key: ProtectedKey
    added_at: int
    changed_at: int
    removed_at: int | None
    change_id: str


def version(connection: Connection) -> int:
    """Grows with every change of the registry; 0 when there was none."""
    return int(connection.execute(_VERSION).scalar_one())


def registered(connection: Connection) -> list[RegisteredKey]:
    """The keys in force, by name."""
    rows = connection.execute(
        select(registry_keys).where(_HERE).order_by(_COLUMNS.name, _COLUMNS.fingerprint)
    )
    return [_from_row(row) for row in rows]


def find(connection: Connection, fingerprint: str) -> RegisteredKey | None:
    """The key of this fingerprint, also when it was removed."""
    rows = connection.execute(
        select(registry_keys).where(_COLUMNS.fingerprint == fingerprint)
    ).first()
    return None if rows is None else _from_row(rows)


def put(
    connection: Connection,
    ledger: Ledger,
    keys: Sequence[ProtectedKey],
    change_id: str,
    people: Sequence[str],
    now: datetime,
) -> None:
    """Protect these keys from now on. ``people``: ids of who decided it."""
    number = version(connection) + 1
    for key in keys:
        entry = _entry("protected-key-put", key, change_id, people, now)
        ledger.append(connection, entry)
        known = find(connection, key.fingerprint)
        if known is None or known.removed_at is not None:
            forget(connection, ledger, key.fingerprint, now, by=f"change {change_id}")
        values = {**_to_row(key), "changed_at": to_micros(now), "removed_at": None}
        values |= {"change_id": change_id, "version": number}
        if known is None:
            values["added_at"] = to_micros(now)
            connection.execute(insert(registry_keys).values(**values))
        else:
            row = update(registry_keys).where(_COLUMNS.fingerprint == key.fingerprint)
            connection.execute(row.values(**values))


def remove(
    connection: Connection,
    ledger: Ledger,
    fingerprints: Sequence[str],
    change_id: str,
    people: Sequence[str],
    now: datetime,
) -> None:
    """Protect these keys no longer."""
    number = version(connection) + 1
    for fingerprint in fingerprints:
        known = find(connection, fingerprint)
        if known is None or known.removed_at is not None:
            continue
        entry = _entry("protected-key-removed", known.key, change_id, people, now)
        ledger.append(connection, entry)
        values = {"removed_at": to_micros(now), "change_id": change_id, "version": number}
        row = update(registry_keys).where(_COLUMNS.fingerprint == fingerprint)
        connection.execute(row.values(**values))


def _entry(
    kind: str, key: ProtectedKey, change_id: str, people: Sequence[str], now: datetime
) -> dict[str, Any]:
    return {
        "kind": kind,
        "time": rfc3339(now),
        "fingerprint": key.fingerprint,
        "name": key.name,
        "zones": list(key.record.zones),
        "change": change_id,
        "by": list(people),
    }


def _to_row(key: ProtectedKey) -> dict[str, Any]:
    record, anchor = key.record, key.anchor
    return {
        "fingerprint": key.fingerprint,
        "name": key.name,
        "algorithm": key.algorithm,
        "bits": key.bits,
        "spki": key.spki,
        "anchor_length": None if anchor is None else anchor.length,
        "anchor_tag": None if anchor is None else anchor.tag,
        "owner": record.owner,
        "zones": json.dumps(record.zones),
        "signs": record.signs,
        "made_on": None if record.made is None else record.made.isoformat(),
        "on_leak": record.on_leak,
        "hooks": json.dumps(record.hooks),
    }


def _from_row(row: Row[Any]) -> RegisteredKey:
    record = KeyRecord(
        owner=row.owner,
        zones=tuple(json.loads(row.zones)),
        signs=row.signs,
        made=None if row.made_on is None else date.fromisoformat(row.made_on),
        on_leak=row.on_leak,
        hooks=tuple(json.loads(row.hooks)),
    )
    anchor = None if row.anchor_length is None else Anchor(row.anchor_length, row.anchor_tag)
    key = ProtectedKey(
        row.name, row.fingerprint, row.algorithm, row.bits, row.spki, anchor=anchor, record=record
    )
    return RegisteredKey(key, row.added_at, row.changed_at, row.removed_at, row.change_id)
