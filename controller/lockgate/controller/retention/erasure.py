"""Lawful erasure: personal fields and their salt go, the ledger and its proofs stay.

Rules enforced here:

1. Of a transfer: path, opener and salt of every decision and receipt, and what alerts and reviews
   repeat of them. What the ledger holds is a salted commitment that nobody can open any more.
2. Of a person: the name, also as a login. The id stays, and whoever did something stays somebody.
3. Of a key: what people wrote down of it and of why, in registry, incident, rulings, and the
   changes that made them. That it was registered, by which ids, and the SHA-256 of what was
   approved stand in the ledger.
4. What a legal hold touches is not erased.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, select, update

from lockgate.controller.changes.changes import ChangeState
from lockgate.controller.changes.schema import changes
from lockgate.controller.people.schema import people
from lockgate.controller.registry import change as registry_change
from lockgate.controller.registry.schema import registry_keys
from lockgate.controller.release import cases
from lockgate.controller.release.machine import login_of
from lockgate.controller.release.subject import logins, opener_of
from lockgate.controller.retention import holds
from lockgate.controller.store.schema import alerts, findings, incidents, receipts, verdicts
from lockgate.controller.triage.schema import rulings
from lockgate.scan.protected import KeyRecord

ERASED = "(erased)"
#: Shorter texts are no names, and stand in too many places.
_SHORTEST = 3


def is_held(connection: Connection, transfer_id: str) -> bool:
    """Whether a legal hold touches a transfer."""
    rows = connection.execute(select(verdicts).where(verdicts.c.transfer_id == transfer_id)).all()
    indexes = [row.ledger_index for row in rows]
    query = select(findings.c.fingerprint).where(findings.c.ledger_index.in_(indexes))
    keys = set(connection.execute(query).scalars())
    places = {(row.host, row.zone) for row in rows}
    told = select(receipts.c.host).where(receipts.c.transfer_id == transfer_id)
    places |= {(host, "") for host in connection.execute(told).scalars()}
    placed = holds.in_force(connection)
    return any(placed.stop(host, zone, transfer_id, keys) for host, zone in places)


def is_key_held(connection: Connection, fingerprint: str) -> bool:
    """Whether a legal hold is on a key."""
    return (holds.Subject.FINGERPRINT, fingerprint) in holds.in_force(connection).placed


def of_transfer(connection: Connection, transfer_id: str) -> int:
    """Erase what names a person in the rows of a transfer; how many rows there are."""
    erased = 0
    _erase_touches(connection, transfer_id)
    for table in (verdicts, receipts):
        mine = table.c.transfer_id == transfer_id
        rows = connection.execute(select(table).where(mine)).all()
        for row in rows:
            _erase_alerts(connection, row.ledger_index, _texts(row.path, row.opener))
        nothing: dict[str, str | None] = {"path": None, "opener": None, "personal_salt": None}
        if table is receipts:
            nothing |= {"quarantine_path": "", "detail": ""}
        connection.execute(update(table).where(mine).values(nothing))
        erased += len(rows)
    return erased


def of_person(connection: Connection, person: str) -> None:
    """Erase a name; without it nobody can log in as this person."""
    nothing = {"name": None, "password_hash": None}
    name = connection.execute(select(people.c.name).where(people.c.id == person)).scalar()
    if name is not None:
        cases.forget_login(connection, login_of(name))
    connection.execute(update(people).where(people.c.id == person).values(nothing))


def of_key(connection: Connection, fingerprint: str) -> None:
    """Erase what people wrote about a key; one that is registered stays protected."""
    for table, columns in _WRITTEN.items():
        row = table.c.fingerprint == fingerprint
        for name in columns:
            said = row & (table.c[name] != "")
            connection.execute(update(table).where(said).values({name: ERASED}))
    decided = changes.c.kind.in_(_OF_KEYS) & (changes.c.state != ChangeState.WAITING.value)
    for change in connection.execute(select(changes).where(decided)).all():
        if fingerprint.encode() in change.content:
            _erase_change(connection, change, fingerprint)


def _erase_change(connection: Connection, change: Row[Any], fingerprint: str) -> None:
    read_again = _OF_KEYS[change.kind]
    nothing = {"content": read_again(change.content, fingerprint), "reason": ERASED}
    if change.decision_reason:
        nothing["decision_reason"] = ERASED
    connection.execute(update(changes).where(changes.c.id == change.id).values(nothing))


def _registration(content: bytes, fingerprint: str) -> bytes:
    """The content of a change of the registry, without the words about one key."""
    said = registry_change.read(content)
    put = [
        replace(key, record=KeyRecord(zones=key.record.zones, made=key.record.made))
        if key.fingerprint == fingerprint
        else key
        for key in said.put
    ]
    return registry_change.write(put, said.remove)


def _ruling(content: bytes, _fingerprint: str) -> bytes:
    return json.dumps({**json.loads(content), "reason": ERASED}, sort_keys=True).encode()


#: How the content of a change is written without its words, by kind.
_OF_KEYS: Mapping[str, Callable[[bytes, str], bytes]] = {
    "protected-key": _registration,
    "triage": _ruling,
}
#: Where people write about a key.
_WRITTEN: Mapping[Table, tuple[str, ...]] = {
    registry_keys: ("owner", "signs", "on_leak"),
    incidents: ("reason",),
    rulings: ("reason",),
}


def known(connection: Connection, kind: str, value: str) -> bool:
    """Whether there is such a ``transfer``, ``person`` or ``key``."""
    for column in _KNOWN_BY[kind]:
        query = select(column).where(column == value).limit(1)
        if connection.execute(query).first() is not None:
            return True
    return False


_KNOWN_BY: Mapping[str, tuple[Column[Any], ...]] = {
    "transfer": (verdicts.c.transfer_id, receipts.c.transfer_id),
    "person": (people.c.id,),
    "key": (registry_keys.c.fingerprint, incidents.c.fingerprint, rulings.c.fingerprint),
}


def _erase_touches(connection: Connection, transfer_id: str) -> None:
    """What reviews know of who had to do with the bytes of a transfer."""
    found = [verdicts.c.opener, receipts.c.opener]
    names = {
        login
        for column in found
        for text in connection.execute(
            select(column).where(column.table.c.transfer_id == transfer_id)
        ).scalars()
        for login in logins(opener_of(text))
    }
    mine = select(verdicts.c.sha256).where(verdicts.c.transfer_id == transfer_id)
    for sha256 in set(connection.execute(mine).scalars()) - {None}:
        cases.forget_touches(connection, sha256, names)


def _texts(path: str | None, opener: str | None) -> frozenset[str]:
    """Every text of the personal fields."""
    found: set[str] = set() if path is None else {path}
    waiting: list[Any] = [] if opener is None else [json.loads(opener)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str):
            found.add(value)
    return frozenset(text for text in found if len(text) >= _SHORTEST)


def _erase_alerts(connection: Connection, index: int, texts: frozenset[str]) -> None:
    rows = connection.execute(select(alerts).where(alerts.c.ledger_index == index)).all()
    for row in rows:
        event = json.dumps(_without(json.loads(row.event), texts), ensure_ascii=False)
        connection.execute(update(alerts).where(alerts.c.id == row.id).values(event=event))


def _without(value: Any, texts: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, texts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, texts) for inner in value]
    if isinstance(value, str) and any(text in value for text in texts):
        return ERASED
    return value
