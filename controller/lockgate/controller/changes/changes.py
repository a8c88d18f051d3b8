"""Proposing, approving and rejecting changes, each in one transaction with its ledger entry.

Rules enforced here:

1. Nobody approves what they proposed, whatever their roles, while the installation asks for a
   second person. Where it does not, the ledger says so of each change.
2. What is approved is the content that was looked at: the approver names its SHA-256.
3. A change that waits longer than its time is not made. Time counts by the later of the clock and
   of what the change itself has seen, so that a clock set back revives nothing.
4. Whoever proposed it must still be somebody who may: what was proposed by an account that was
   closed, or has lost its role, is made by nobody.
5. A refused approval leaves the change as it was.
6. What people wrote cannot mislead the terminal of whoever decides.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from lockgate.controller.changes.kinds import Approval, ChangeKind, Kinds
from lockgate.controller.changes.schema import changes
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.people import people
from lockgate.controller.people.roles import Person
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.scan.names import escape_name
from lockgate.scan.words import Word
from lockgate.wire.ids import uuid7


class ChangeState(Word):
    """What became of a change."""

    WAITING = "waiting", "Waits for a second person."
    MADE = "made", "Is in force, or was followed by another."
    REJECTED = "rejected", "Was turned down."
    EXPIRED = "expired", "Nobody decided on it in time."


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as the store keeps it: people by id, times in microseconds."""

    id: str
    kind: str
    content: bytes
    content_sha256: str
    summary: str
    reason: str
    state: str
    proposed_by: str
    proposed_at: int
    expires_at: int
    decided_by: str | None = None
    decided_at: int | None = None
    decision_reason: str | None = None


class Changes:
    """The changes of a store."""

    def __init__(
        self, ledger: Ledger, kinds: Kinds, life: timedelta, *, second_person: bool
    ) -> None:
        self._ledger = ledger
        self._kinds = kinds
        self._life = life
        self._second_person = second_person

    def propose(
        self,
        connection: Connection,
        name: str,
        content: bytes,
        reason: str,
        person: Person,
        now: datetime,
    ) -> Change | Refusal:
        """Write a proposal down, or make it at once where no second person is asked for."""
        kind = self._kind(name, person)
        refusal = kind if isinstance(kind, Refusal) else kind.check(connection, content)
        if isinstance(kind, Refusal) or refusal is not None:
            return refusal or Refusal(RefusalReason.NOT_FOUND)
        change = Change(
            id=uuid7(),
            kind=name,
            content=content,
            content_sha256=hashlib.sha256(content).hexdigest(),
            summary=escape_name(kind.summary(content)),
            reason=escape_name(reason),
            state=ChangeState.WAITING.value,
            proposed_by=person.id,
            proposed_at=to_micros(now),
            expires_at=to_micros(now + self._life),
        )
        connection.execute(insert(changes).values(**asdict(change)))
        self._note(connection, "change-proposed", change, person.id, change.reason, now)
        return change if self._second_person else self._make(connection, change, kind, person, now)

    def approve(
        self, connection: Connection, change_id: str, sha256: str, person: Person, now: datetime
    ) -> Change | Refusal:
        """Make a change that somebody else has proposed."""
        change = self._waiting(connection, change_id, now)
        if isinstance(change, Refusal):
            return change
        kind = self._kind(change.kind, person)
        if isinstance(kind, Refusal):
            return kind
        if change.proposed_by == person.id and self._second_person:
            return Refusal(RefusalReason.OWN_PROPOSAL)
        if change.content_sha256 != sha256:
            return Refusal(RefusalReason.CONTENT_CHANGED)
        proposer = people.present(connection, [change.proposed_by]).get(change.proposed_by)
        if proposer is None or not proposer.roles & kind.roles:
            return Refusal(RefusalReason.CONFLICT, "who proposed it may not do so any more")
        refusal = kind.check(connection, change.content)
        return refusal or self._make(connection, change, kind, person, now)

    def reject(
        self, connection: Connection, change_id: str, reason: str, person: Person, now: datetime
    ) -> Change | Refusal:
        """End a change that is not made; for whoever may approve it, and who proposed it."""
        change = self._waiting(connection, change_id, now)
        if isinstance(change, Refusal):
            return change
        kind = self._kind(change.kind, person)
        if isinstance(kind, Refusal):
            return kind
        said = escape_name(reason)
        return self._decide(connection, change, ChangeState.REJECTED, person.id, said, now)

    def expire(self, connection: Connection, now: datetime) -> int:
        """End what nobody decided on in time; how many."""
        rows = connection.execute(
            select(changes).where(
                changes.c.state == ChangeState.WAITING.value,
                changes.c.expires_at <= to_micros(now),
            )
        ).mappings()
        overdue = [Change(**row) for row in rows]
        for change in overdue:
            reason = "nobody decided in time"
            self._decide(connection, change, ChangeState.EXPIRED, None, reason, now)
        return len(overdue)

    def _kind(self, name: str, person: Person) -> ChangeKind | Refusal:
        kind = self._kinds.get(name)
        if kind is None:
            known = ", ".join(self._kinds.names())
            return Refusal(RefusalReason.NOT_FOUND, f"kind of change; known are: {known}")
        if not person.roles & kind.roles:
            needed = ", ".join(sorted(role.value for role in kind.roles))
            return Refusal(RefusalReason.ROLE, f"one of: {needed}")
        return kind

    def _waiting(self, connection: Connection, change_id: str, now: datetime) -> Change | Refusal:
        change = read(connection, change_id)
        if change is None:
            return Refusal(RefusalReason.NOT_FOUND, "change")
        if change.state != ChangeState.WAITING.value or change.expires_at <= to_micros(now):
            return Refusal(RefusalReason.CONFLICT, "the change waits no more")
        return change

    def _make(
        self,
        connection: Connection,
        change: Change,
        kind: ChangeKind,
        person: Person,
        now: datetime,
    ) -> Change:
        approval = Approval(change.id, change.proposed_by, person.id)
        made = self._decide(connection, change, ChangeState.MADE, person.id, "", now)
        kind.apply(connection, self._ledger, change.content, approval, now)
        return made

    def _decide(
        self,
        connection: Connection,
        change: Change,
        state: ChangeState,
        by: str | None,
        reason: str,
        now: datetime,
    ) -> Change:
        decided = replace(
            change,
            state=state.value,
            decided_by=by,
            decided_at=max(to_micros(now), change.proposed_at),
            decision_reason=reason,
        )
        connection.execute(
            update(changes).where(changes.c.id == change.id).values(**asdict(decided))
        )
        self._note(connection, f"change-{state.value}", decided, by, reason, now)
        return decided

    def _note(
        self,
        connection: Connection,
        kind: str,
        change: Change,
        by: str | None,
        reason: str,
        now: datetime,
    ) -> None:
        entry = {
            "kind": kind,
            "time": rfc3339(now),
            "change": change.id,
            "of": change.kind,
            "content_sha256": change.content_sha256,
            "proposed_by": change.proposed_by,
            "person": by,
            "reason": reason,
            "second_person": self._second_person,
        }
        self._ledger.append(connection, entry)


def read(connection: Connection, change_id: str) -> Change | None:
    """The change of that id."""
    rows = connection.execute(select(changes).where(changes.c.id == change_id)).mappings()
    row = rows.first()
    return None if row is None else Change(**row)


def listed(connection: Connection, most: int, *, waiting_only: bool) -> list[Change]:
    """The newest changes first, at most so many."""
    query = select(changes).order_by(changes.c.proposed_at.desc()).limit(most)
    if waiting_only:
        query = query.where(changes.c.state == ChangeState.WAITING.value)
    return [Change(**row) for row in connection.execute(query).mappings()]
