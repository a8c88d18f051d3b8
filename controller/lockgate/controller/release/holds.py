"""Stopped files that wait for somebody, by the policy's own word.

Rules enforced here:

1. A verdict with a wait makes a hold: who is waited for, and until when. The same bytes stopped
   again in the same zone of a host wait only once.
2. When a wait ends, that is a ledger entry and an alert, and the next owner is waited for. It
   never lets a file through, however often it ends.
3. A hold ends when the policy allows the file, or when people have released it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from lockgate.controller.alerts import outbox
from lockgate.controller.clock import to_micros
from lockgate.controller.people.roles import Role
from lockgate.controller.records import Ledger
from lockgate.controller.release import alerts, entries
from lockgate.controller.release.schema import holds
from lockgate.controller.store.prepared import Prepared
from lockgate.wire.transfer import Decision, Transfer, Verdict

#: Who is waited for when nobody came; an owner that is not here is followed by ``security``.
NEXT_OWNER: Mapping[str, str] = {
    Role.SECURITY.value: Role.ADMINISTRATOR.value,
    Role.ADMINISTRATOR.value: "",
}
#: How long each next owner is waited for.
ESCALATION_WITHIN = timedelta(hours=24)

# The statement of the hot path is built once: building costs more than SQLite's work.
_NEW_HOLD = Prepared(insert(holds))
_WAITS = holds.c.deadline.is_not(None)
#: The hold of these bytes in a zone of a host, if they wait.
SAME = select(holds.c.verdict_index).where(
    holds.c.host == bindparam("host"),
    holds.c.subject == bindparam("subject"),
    holds.c.zone == bindparam("zone"),
    _WAITS,
)


def subject_of(transfer: Transfer, sha256: str | None) -> str:
    """What is stopped: bytes, or the file where they could not be read."""
    identity = transfer.identity
    return sha256 or f"file:{identity.device}:{identity.inode}"


def stopped(
    connection: Connection,
    transfer: Transfer,
    sha256: str | None,
    decision: Decision,
    verdict_index: int,
    now: datetime,
) -> None:
    """A file was stopped that nobody is waited for yet; wait if the policy says so."""
    if decision.wait_until is None:
        return
    row = {
        "host": transfer.host,
        "subject": subject_of(transfer, sha256),
        "verdict_index": verdict_index,
        "transfer_id": transfer.transfer_id,
        "zone": transfer.zone.name,
        "verdict": decision.verdict.value,
        "rule": decision.rule,
        "owner": decision.wait_for,
        "began_at": to_micros(now),
        "deadline": to_micros(decision.wait_until),
        "escalations": 0,
    }
    _NEW_HOLD.run(connection, row)


def settled(connection: Connection, host: str, zone: str, subject: str, now: datetime) -> None:
    """The file is not stopped any more there."""
    here = {"host": host, "zone": zone, "subject": subject}
    for index in connection.execute(SAME, here).scalars().all():
        this = holds.c.verdict_index == index
        connection.execute(update(holds).where(this).values(deadline=None, ended_at=to_micros(now)))


def escalate(connection: Connection, ledger: Ledger, now: datetime, most: int) -> int:
    """Pass at most ``most`` holds whose wait has ended on to the next owner; how many."""
    over = select(holds).where(holds.c.deadline <= to_micros(now))
    rows = connection.execute(over.order_by(holds.c.verdict_index).limit(most)).all()
    for row in rows:
        _pass_on(connection, ledger, row, now)
    return len(rows)


def waiting(connection: Connection, most: int) -> list[Row[Any]]:
    """The holds that wait, the one that ends first at the beginning."""
    query = select(holds).where(_WAITS).order_by(holds.c.deadline, holds.c.verdict_index)
    return list(connection.execute(query.limit(most)))


def _pass_on(connection: Connection, ledger: Ledger, row: Row[Any], now: datetime) -> None:
    following = NEXT_OWNER.get(row.owner, Role.SECURITY.value)
    entry = entries.wait_ended(row.transfer_id, row.host, row.zone, row.owner, following, now)
    index = ledger.append(connection, entry)
    told = {"transfer_id": row.transfer_id, "zone": row.zone, "next_owner": following}
    alert = alerts.wait_ended_event(told, row.host, row.owner, following, index, now)
    outbox.put(connection, alert, index, to_micros(now))
    values: dict[str, Any] = {"deadline": None, "ended_at": to_micros(now)}
    if following:
        values = {"owner": following, "deadline": to_micros(now + ESCALATION_WITHIN)}
    this = holds.c.verdict_index == row.verdict_index
    connection.execute(update(holds).where(this).values(escalations=row.escalations + 1, **values))


def is_stopped(decision: Decision) -> bool:
    """Whether a decision keeps a file where it is."""
    return decision.verdict is not Verdict.ALLOW
