"""The queue of hook runs in the store.

Rules enforced here:

1. A run is written with its cause and ends with its receipt: claimed, attempted, receipted, and
   claimed again until it has succeeded or was refused for good. Nothing is given up because a
   receiver is away.
2. A claim belongs to one controller for as long as an attempt may take. Whoever claimed a run and
   was started again has it at once; another controller has it when the claim has run out.
3. Each attempt's receipt is a ledger entry in the transaction that notes it. The first failure of
   a run, and a refusal for good, are alerts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from socket import gethostname
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import HIGH
from lockgate.controller.appending import Ledger
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.hooks.command import Outcome
from lockgate.controller.hooks.schema import hook_runs
from lockgate.controller.hooks.settings import Hook, HookAction
from lockgate.scan.words import Word
from lockgate.wire.ids import uuid7

_COLUMNS = hook_runs.c
_LONGEST_ERROR = 500


class RunState(Word):
    """How far a run is."""

    UNCONFIRMED = "unconfirmed", "Runs when a person has confirmed it."
    WAITING = "waiting", "Runs as soon as it can, again after a failure."
    RUNNING = "running", "An attempt is under way, or was cut off."
    DONE = "done", "The hook has answered that it is done."
    REFUSED = "refused", "The hook refuses it for good."


@dataclass(frozen=True, slots=True)
class Cause:
    """Why hooks run: a ledger entry about a key, and the transfer that it tells of.

    Without an entry the hook itself is what is new.
    """

    fingerprint: str
    word: str
    ledger_index: int | None = None
    transfer_id: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A claimed run; ``attempt`` counts from 1."""

    id: int
    uid: str
    hook: str
    action: str
    cause: Cause
    attempt: int
    change_id: str | None
    queued_at: int


def put(connection: Connection, hook: Hook, cause: Cause, micros: int) -> None:
    """Queue a run; one that revokes waits for a person."""
    revokes = hook.action is HookAction.REVOKE
    state = RunState.UNCONFIRMED if revokes else RunState.WAITING
    if revokes and _has(connection, hook.name, cause.fingerprint, state):
        return
    connection.execute(
        insert(hook_runs).values(
            uid=uuid7(),
            hook=hook.name,
            action=hook.action.value,
            fingerprint=cause.fingerprint,
            cause=cause.word,
            ledger_index=cause.ledger_index,
            transfer_id=cause.transfer_id,
            state=state.value,
            queued_at=micros,
        )
    )


def has_run(connection: Connection, hook: str, fingerprint: str) -> bool:
    """Whether the hook was ever queued for this key."""
    query = select(_COLUMNS.id).where(_COLUMNS.hook == hook, _COLUMNS.fingerprint == fingerprint)
    return connection.execute(query.limit(1)).first() is not None


def confirm(connection: Connection, fingerprint: str, change_id: str) -> list[str]:
    """Let the runs that wait for a person go; the names of their hooks."""
    here = (
        _COLUMNS.fingerprint == fingerprint,
        _COLUMNS.state == RunState.UNCONFIRMED.value,
    )
    names = list(connection.execute(select(_COLUMNS.hook).where(*here)).scalars())
    values = {"state": RunState.WAITING.value, "change_id": change_id}
    connection.execute(update(hook_runs).where(*here).values(**values))
    return names


def unconfirmed(connection: Connection, fingerprint: str) -> bool:
    """Whether a run for this key waits for a person."""
    return _has(connection, None, fingerprint, RunState.UNCONFIRMED)


def due(
    connection: Connection, hook: str, who: str, now: datetime, resting: Collection[int]
) -> Row[Any] | None:
    """The oldest run that ``who`` may attempt now; ``resting``: ids that have just failed."""
    claimable = or_(
        _COLUMNS.state == RunState.WAITING.value,
        and_(
            _COLUMNS.state == RunState.RUNNING.value,
            or_(_COLUMNS.claimed_by == who, _COLUMNS.claimed_until <= to_micros(now)),
        ),
    )
    query = select(hook_runs).where(_COLUMNS.hook == hook, claimable, _COLUMNS.id.not_in(resting))
    return connection.execute(query.order_by(_COLUMNS.id).limit(1)).first()


def claim(
    connection: Connection,
    hook: Hook,
    who: str,
    now: datetime,
    patience: timedelta,
    resting: Collection[int],
) -> Run | None:
    """Take the next run, for as long as ``patience``; None: there is none."""
    row = due(connection, hook.name, who, now, resting)
    if row is None:
        return None
    values = {
        "state": RunState.RUNNING.value,
        "attempts": row.attempts + 1,
        "claimed_by": who,
        "claimed_until": to_micros(now + patience),
    }
    connection.execute(update(hook_runs).where(_COLUMNS.id == row.id).values(**values))
    cause = Cause(row.fingerprint, row.cause, row.ledger_index, row.transfer_id)
    return Run(
        row.id, row.uid, row.hook, row.action, cause, row.attempts + 1, row.change_id, row.queued_at
    )


def receipt(
    connection: Connection, ledger: Ledger, run: Run, outcome: Outcome, now: datetime
) -> None:
    """Note how an attempt ended."""
    state = RunState.DONE if outcome.succeeded else RunState.WAITING
    state = RunState.REFUSED if outcome.final else state
    index = ledger.append(connection, _entry(run, outcome, state, now))
    connection.execute(
        update(hook_runs)
        .where(_COLUMNS.id == run.id)
        .values(
            state=state.value,
            status=outcome.status,
            error=outcome.error[:_LONGEST_ERROR],
            ended_at=to_micros(now),
            receipt_index=index,
            claimed_by=None,
            claimed_until=None,
        )
    )
    if outcome.final or (not outcome.succeeded and run.attempt == 1):
        _tell(connection, run, outcome, index, now)


def runs_of(connection: Connection, fingerprint: str, most: int) -> list[Row[Any]]:
    """The newest runs for a key, the newest first."""
    query = select(hook_runs).where(_COLUMNS.fingerprint == fingerprint)
    return list(connection.execute(query.order_by(_COLUMNS.id.desc()).limit(most)).all())


def _has(connection: Connection, hook: str | None, fingerprint: str, state: RunState) -> bool:
    query = select(_COLUMNS.id).where(
        _COLUMNS.fingerprint == fingerprint, _COLUMNS.state == state.value
    )
    if hook is not None:
        query = query.where(_COLUMNS.hook == hook)
    return connection.execute(query.limit(1)).first() is not None


def _entry(run: Run, outcome: Outcome, state: RunState, now: datetime) -> dict[str, Any]:
    """What the ledger says; the words of a receiver stay out of it."""
    return {
        "kind": "hook-receipt",
        "time": rfc3339(now),
        "hook": run.hook,
        "action": run.action,
        "run": run.uid,
        "attempt": run.attempt,
        "fingerprint": run.cause.fingerprint,
        "cause": run.cause.word,
        "cause_index": run.cause.ledger_index,
        "change": run.change_id,
        "status": outcome.status,
        "state": state.value,
    }


def _tell(connection: Connection, run: Run, outcome: Outcome, index: int, now: datetime) -> None:
    title = f"response hook {run.hook} has not succeeded"
    again = "It refuses for good." if outcome.final else "It runs again until it succeeds."
    fields = {
        "event": "hook-failed",
        "hook": run.hook,
        "run": run.uid,
        "fingerprint": run.cause.fingerprint,
        "status": outcome.status,
        "error": outcome.error[:_LONGEST_ERROR],
    }
    told = notice_event(title, again, gethostname(), HIGH, index, fields, now)
    outbox.put(connection, told, index, to_micros(now))
