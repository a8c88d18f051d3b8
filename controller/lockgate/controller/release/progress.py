"""What becomes of releases by the controller's own doing, written down.

Rules enforced here:

1. Every step is row, ledger entry and alert in one transaction.
2. The agent learns of a release by a command in the same transaction: to put the file back when it
   is in quarantine, else to ask about it again. A command lets nothing through by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from lockgate.controller.alerts import outbox
from lockgate.controller.clock import to_micros
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal
from lockgate.controller.release import alerts, cases, entries, machine
from lockgate.controller.release.cases import Release
from lockgate.controller.release.machine import Case
from lockgate.controller.release.states import Action
from lockgate.controller.store.schema import receipts, verdicts
from lockgate.controller.stream import commands
from lockgate.wire import agent
from lockgate.wire.transfer import Enforcement, Zone


class Progress:
    """Moves releases on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def move(
        self,
        connection: Connection,
        release: Release,
        action: Action,
        now: datetime,
        **changes: Any,
    ) -> Release | Refusal:
        """Do what the controller does by itself; a refusal when the machine does not allow it."""
        case = machine.step(release.case, action, None, now)
        if isinstance(case, Refusal):
            return case
        return self.keep(connection, release, case, action, now, **changes)

    def keep(
        self,
        connection: Connection,
        release: Release,
        case: Case,
        action: Action,
        now: datetime,
        *,
        person: str | None = None,
        **changes: Any,
    ) -> Release:
        """Write what became of a release, and tell of it."""
        changed = cases.save(connection, release, case, **changes)
        entry = entries.changed(changed, action, now, person=person)
        self.tell(connection, entry, changed, action, now)
        return changed

    def tell(
        self,
        connection: Connection,
        entry: Mapping[str, Any],
        release: Release,
        action: Action | None,
        now: datetime,
    ) -> None:
        """One ledger entry, one alert."""
        index = self._ledger.append(connection, entry)
        alert = alerts.release_event(release, action, index, now)
        outbox.put(connection, alert, index, to_micros(now))

    def touch(
        self, connection: Connection, release: Release, logins: frozenset[str], now: datetime
    ) -> Release:
        """Take in who had to do with the file."""
        case = release.case
        for login in sorted(logins):
            case = machine.touch(case, login, now)
        if case == release.case:
            return release
        if case.state is not release.case.state:
            return self.keep(connection, release, case, Action.TOUCH, now)
        before = {*release.case.votes, *release.case.breakers}
        changed = cases.save(connection, release, case)
        for vote in sorted(before - {*case.votes, *case.breakers}, key=lambda vote: vote.person):
            self._ledger.append(connection, entries.vote_dropped(changed, vote.person, now))
        return changed

    def handled(
        self, connection: Connection, transfer_id: str, logins: frozenset[str], now: datetime
    ) -> None:
        """Somebody had to do with a stopped file: opened it, moved it away or put it back."""
        query = select(verdicts.c.sha256, verdicts.c.host).where(
            verdicts.c.transfer_id == transfer_id,
            verdicts.c.canary.is_(False),
            verdicts.c.sha256.is_not(None),
        )
        row = connection.execute(query.limit(1)).first() if logins else None
        if row is None:
            return
        self.touch_bytes(connection, row.sha256, logins, now)

    def touch_bytes(
        self, connection: Connection, sha256: str, logins: frozenset[str], now: datetime
    ) -> None:
        """Somebody had to do with these bytes: remember it, and drop what they voted of them."""
        waiting = cases.of_bytes(connection, sha256)
        cases.add_touches(connection, sha256, logins, now)
        for release in waiting:
            self.touch(connection, release, logins, now)

    def tell_agent(
        self, connection: Connection, release: Release, by: str, now: datetime
    ) -> Release:
        """Have the agent of an approved release ask again, or put the file back first."""
        if machine.is_over(release.case, now):
            return release
        subject = release.case.subject
        life = (release.case.deadline or now) - now
        stored = _quarantined(connection, release.transfer_id)
        command: agent.Action = agent.Release(release.transfer_id, subject.sha256)
        if stored:
            moved = self.move(
                connection, release, Action.RESTORE, now, moving_transfer=release.transfer_id
            )
            if isinstance(moved, Refusal):
                return release
            release = moved
            command = agent.Restore(stored, Zone(subject.zone))
        commands.send(connection, self._ledger, subject.host, command, now, by=by, life=life)
        return release


def _quarantined(connection: Connection, transfer_id: str) -> str:
    """The quarantine id of a transfer's file; empty when it is not in quarantine now."""
    moves = (Enforcement.QUARANTINED.value, Enforcement.RESTORED.value)
    query = select(receipts.c.enforcement, receipts.c.quarantine_id).where(
        receipts.c.transfer_id == transfer_id, receipts.c.enforcement.in_(moves)
    )
    last = connection.execute(query.order_by(receipts.c.ledger_index.desc()).limit(1)).first()
    quarantined = last is not None and last.enforcement == Enforcement.QUARANTINED.value
    return str(last.quarantine_id) if last is not None and quarantined else ""
