"""Revoking passports, and the signed list of what is revoked.

Rules enforced here:

1. A revocation is a row and a ledger entry in one transaction; it is never taken back.
2. The list is signed anew when a rule came, and when half of its life is over. Its number grows by
   one each time, in the store's write lock, whichever controller signs it.
3. A rule leaves the list when every passport that it means has expired by itself.
4. No host makes the list too long to be read: what it says of itself again and again is one rule,
   and a host with very many is revoked as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, select

from lockgate.controller.clock import from_micros, rfc3339, to_micros
from lockgate.controller.passports.schema import passport_revocations, revocation_lists
from lockgate.controller.passports.settings import PassportSettings
from lockgate.controller.records import Ledger
from lockgate.controller.store.schema import verdicts
from lockgate.wire.revocations import RevocationList, Rule, rules_as_json, sign

_KEPT_LISTS = 100
#: A passport may have been given when the setting of their life was another.
_LONGEST_LIFE = timedelta(days=30)
#: Rules of one host and reason in a list.
_MOST_OF_HOST = 100


def revoke(
    connection: Connection, ledger: Ledger, rule: Rule, now: datetime, by: str | None = None
) -> int:
    """Write a revocation down; its ledger index. ``by``: the id of a person."""
    entry = {
        "kind": "passport-revoked",
        "time": rfc3339(now),
        "transfer_id": rule.transfer_id or None,
        "host": rule.host or None,
        "zone": rule.zone or None,
        "since": None if rule.since is None else rfc3339(rule.since),
        "until": None if rule.until is None else rfc3339(rule.until),
        "reason": rule.reason,
        "person": by,
    }
    index = ledger.append(connection, entry)
    connection.execute(
        insert(passport_revocations).values(
            transfer_id=rule.transfer_id or None,
            host=rule.host or None,
            zone=rule.zone or None,
            since=None if rule.since is None else to_micros(rule.since),
            until=None if rule.until is None else to_micros(rule.until),
            reason=rule.reason,
            revoked_at=to_micros(now),
            ledger_index=index,
        )
    )
    return index


def was_decided(connection: Connection, transfer_id: str) -> bool:
    """Whether there can be a passport of this transfer."""
    known = select(verdicts.c.ledger_index).where(verdicts.c.transfer_id == transfer_id).limit(1)
    return connection.execute(known).scalar() is not None


def rules(connection: Connection, life: timedelta, now: datetime) -> tuple[Rule, ...]:
    """The rules that a list needs: those that may mean a passport that has not expired."""
    oldest = to_micros(now - max(life, _LONGEST_LIFE))
    query = select(passport_revocations).where(passport_revocations.c.revoked_at >= oldest)
    rows = connection.execute(query.order_by(passport_revocations.c.id))
    return condensed(_rule(row) for row in rows if _last(row) >= oldest)


def condensed(found: Iterable[Rule]) -> tuple[Rule, ...]:
    """Rules that revoke all that ``found`` do, times that touch each other as one."""
    single: dict[Rule, None] = {}
    spans: dict[tuple[str, str, str], list[Rule]] = {}
    for rule in found:
        if rule.transfer_id or rule.since is None or rule.until is None:
            single[rule] = None
        else:
            spans.setdefault((rule.host, rule.reason, rule.zone), []).append(rule)
    merged: dict[tuple[str, str], list[Rule]] = {}
    for (host, reason, _), rules_of_zone in spans.items():
        merged.setdefault((host, reason), []).extend(_joined(rules_of_zone))
    return (*single, *(rule for group in merged.values() for rule in _whole(group)))


def _joined(found: list[Rule]) -> list[Rule]:
    """Rules of one host and zone, by time, without overlaps."""
    made: list[Rule] = []
    for rule in sorted(found, key=_span):
        if made and _span(rule)[0] <= _span(made[-1])[1]:
            made[-1] = replace(made[-1], until=max(_span(rule)[1], _span(made[-1])[1]))
        else:
            made.append(rule)
    return made


def _whole(found: list[Rule]) -> list[Rule]:
    """Rules of one host; all of its zones and all of the time, where they are very many."""
    if len(found) <= _MOST_OF_HOST:
        return found
    since, until = min(_span(r)[0] for r in found), max(_span(r)[1] for r in found)
    return [replace(found[0], zone="", since=since, until=until)]


def _span(rule: Rule) -> tuple[datetime, datetime]:
    assert rule.since is not None
    assert rule.until is not None
    return rule.since, rule.until


def _last(row: Row[Any]) -> int:
    """Until when passports that a rule means can have been given."""
    return int(row.revoked_at if row.until is None else min(row.until, row.revoked_at))


def _rule(row: Row[Any]) -> Rule:
    return Rule(
        reason=row.reason,
        transfer_id=row.transfer_id or "",
        host=row.host or "",
        zone=row.zone or "",
        since=None if row.since is None else from_micros(row.since),
        until=from_micros(_last(row)),
    )


@dataclass(frozen=True, slots=True)
class ListPublisher:
    """Signs the list; runs in the store's writer."""

    key: Ed25519PrivateKey = field(repr=False)
    settings: PassportSettings

    def current(self, connection: Connection, now: datetime) -> bytes:
        """The envelope of the list as it must be now, signed anew where that is needed."""
        wanted = rules(connection, self.settings.life, now)
        content = _digest(wanted)
        newest = connection.execute(
            select(revocation_lists).order_by(revocation_lists.c.sequence.desc()).limit(1)
        ).first()
        life = timedelta(hours=self.settings.list_hours)
        if newest is not None and newest.content_sha256 == content:
            age = now - from_micros(newest.issued_at)
            if timedelta(0) <= age < life / 2:
                return bytes(newest.envelope)
        sequence = 1 if newest is None else newest.sequence + 1
        envelope = sign(RevocationList(sequence, now, now + life, wanted), self.key)
        made = {"sequence": sequence, "issued_at": to_micros(now), "content_sha256": content}
        connection.execute(insert(revocation_lists).values(**made, envelope=envelope))
        old = revocation_lists.c.sequence <= sequence - _KEPT_LISTS
        connection.execute(delete(revocation_lists).where(old))
        return envelope


def newest_list(connection: Connection) -> bytes | None:
    """The envelope that was signed last; None before the first."""
    query = select(revocation_lists.c.envelope).order_by(revocation_lists.c.sequence.desc())
    return connection.execute(query.limit(1)).scalar()


def _digest(wanted: Sequence[Rule]) -> str:
    text = json.dumps(rules_as_json(wanted), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
