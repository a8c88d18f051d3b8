"""Commands to agents: kept until they are receipted, and never lost silently.

Rules enforced here:

1. A command is a row and a ledger entry in the transaction of whoever decided on it. It reaches
   the agent on its stream, at once or when the agent is back, and again until its receipt came.
2. A receipt counts once; the same one again changes nothing.
3. What nobody receipted until its end is expired, and what its agent cannot do is given up: a
   ledger entry and an alert. A receipt that comes later is recorded as late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import MEDIUM
from lockgate.controller.clock import to_micros
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.stream import entries
from lockgate.controller.stream.schema import commands
from lockgate.wire import convert
from lockgate.wire.agent import Action, Command, CommandOutcome, CommandReceipt
from lockgate.wire.ids import uuid7

#: How long an agent has to carry a command out, unless its sender says otherwise.
LIFE = timedelta(hours=24)
#: Commands that are given out in one turn.
MOST_AT_ONCE = 500
_GIVEN_UP = {
    CommandOutcome.EXPIRED: "No receipt came until the command's end; it may not have been done.",
    CommandOutcome.UNSUPPORTED: "The agent, or the mode it runs in, cannot do what it was told.",
}


def send(
    connection: Connection,
    ledger: Ledger,
    host: str,
    action: Action,
    now: datetime,
    *,
    by: str,
    life: timedelta = LIFE,
) -> str:
    """Have the agent of ``host`` do something; the command's id.

    ``by``: who decided so, for the ledger: a person's id, or a part of the controller.
    """
    told = Command(uuid7(), now + life, action)
    index = ledger.append(connection, entries.command(told, host, by, now))
    until = to_micros(told.expire_time)
    row = {
        "command_id": told.command_id,
        "host": host,
        "action": entries.subject(action)["action"],
        "body": convert.command_to_wire(told).SerializeToString(),
        "sent_by": by,
        "created_at": to_micros(now),
        "expires_at": until,
        "due_at": until,
        "ledger_index": index,
    }
    connection.execute(insert(commands).values(**row))
    return told.command_id


def waiting_for(connection: Connection, host: str) -> dict[str, bytes]:
    """The commands of a host that wait for their receipt, oldest first: id -> serialised."""
    rows = connection.execute(
        select(commands.c.command_id, commands.c.body)
        .where(commands.c.host == host, commands.c.due_at.is_not(None))
        .order_by(commands.c.command_id)
    )
    return {row.command_id: bytes(row.body) for row in rows}


def undelivered(connection: Connection) -> dict[str, str]:
    """Commands that no stream was given yet, oldest first: id -> host."""
    rows = connection.execute(
        select(commands.c.command_id, commands.c.host)
        .where(commands.c.due_at.is_not(None), commands.c.delivered_at.is_(None))
        .order_by(commands.c.command_id)
    )
    return {row.command_id: row.host for row in rows}


def bodies(connection: Connection, command_ids: Sequence[str]) -> dict[str, bytes]:
    """Commands by id, serialised; at most :data:`MOST_AT_ONCE` of the oldest."""
    ids = sorted(command_ids)[:MOST_AT_ONCE]
    rows = connection.execute(
        select(commands.c.command_id, commands.c.body)
        .where(commands.c.command_id.in_(ids))
        .order_by(commands.c.command_id)
    )
    return {row.command_id: bytes(row.body) for row in rows}


def delivered(connection: Connection, command_ids: Sequence[str], now: datetime) -> None:
    """These commands were given to their agents' streams for the first time."""
    connection.execute(
        update(commands)
        .where(commands.c.command_id.in_(command_ids), commands.c.delivered_at.is_(None))
        .values(delivered_at=to_micros(now))
    )


def receipted(
    connection: Connection, ledger: Ledger, host: str, receipt: CommandReceipt, now: datetime
) -> Refusal | None:
    """Record what the agent of ``host`` did; a refusal when the command was not its own."""
    known = select(commands).where(commands.c.command_id == receipt.command_id)
    row = connection.execute(known).first()
    if row is not None and row.host != host:
        return Refusal(RefusalReason.WRONG_HOST)
    if row is not None and row.receipt_index is not None:
        return None
    late = row is not None and row.due_at is None
    entry = entries.command_receipt(receipt, host, now, known=row is not None, late=late)
    index = ledger.append(connection, entry)
    values: Mapping[str, Any] = {
        "due_at": None,
        "outcome": receipt.outcome.value,
        "detail": receipt.detail,
        "finished_at": to_micros(now),
        "receipt_index": index,
    }
    this = commands.c.command_id == receipt.command_id
    connection.execute(update(commands).where(this).values(**values))
    return None


def expire(connection: Connection, ledger: Ledger, now: datetime) -> int:
    """Record and alert every command past its end; how many there were."""
    over = select(commands.c.command_id).where(commands.c.due_at <= to_micros(now))
    ids = connection.execute(over.order_by(commands.c.command_id)).scalars().all()
    for command_id in ids:
        give_up(connection, ledger, command_id, CommandOutcome.EXPIRED, now)
    return len(ids)


def give_up(
    connection: Connection, ledger: Ledger, command_id: str, why: CommandOutcome, now: datetime
) -> None:
    """Record and alert that a command is not waited for any more."""
    this = commands.c.command_id == command_id
    row = connection.execute(select(commands).where(this)).one()
    values = {"due_at": None, "outcome": why.value, "finished_at": to_micros(now)}
    connection.execute(update(commands).where(this).values(**values))
    entry = entries.command_given_up(command_id, row.host, row.action, why, now)
    index = ledger.append(connection, entry)
    fields = {"event": entry["kind"], "command_id": command_id, "action": row.action}
    title = f"command {row.action} {why.value} on {row.host}"
    alert = notice_event(title, _GIVEN_UP[why], row.host, MEDIUM, index, fields, now)
    outbox.put(connection, alert, index, to_micros(now))
