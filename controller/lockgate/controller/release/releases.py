"""What people do to releases, each in one transaction with its ledger entry and alert.

Rules enforced here:

1. Only what the policy in force stops, and lets people release, can be asked for: never a protected
   key, never a file with a gap. There is one release of the same bytes on a host at a time.
2. Everybody who opened, restored or otherwise had to do with these bytes on any host counts as
   having touched them, the requester too.
3. The vote of somebody who is nobody any more, or lost a role that it was cast with, counts no
   more; nobody gets a second one.
4. With the last vote the agent is told: to put the file back first when it is in quarantine.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, select

from lockgate.controller.people.roles import Person
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release import cases, entries, machine, standing
from lockgate.controller.release.cases import Release
from lockgate.controller.release.machine import Case, Vote, login_of
from lockgate.controller.release.progress import Progress
from lockgate.controller.release.states import Action, State
from lockgate.controller.release.subject import (
    logins,
    opener_of,
    report_of,
    subject_of,
    transfer_of,
)
from lockgate.controller.store.schema import receipts, verdicts
from lockgate.scan.report import FindingClass, Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Decision, Transfer, Verdict

#: Releases of one person that may wait at once.
MOST_WAITING = 100
#: As many attempts at bytes that were allowed are looked at for who made them.
_MOST_ALLOWED = 10_000


class Judged(Protocol):
    """What registry and policy in force make of a report."""

    @property
    def report(self) -> Report:
        """With every registered key raised to protected."""
        ...

    @property
    def decision(self) -> Decision:
        """Before any release."""
        ...


class Judge(Protocol):
    """Decides as the decision service does, and writes nothing."""

    def judge(self, seen: Report, transfer: Transfer, now: datetime) -> Judged:
        """What is said now of what was seen then."""
        ...


class Releases:
    """The releases of a store."""

    def __init__(self, ledger: Ledger, judge: Judge) -> None:
        self._ledger = ledger
        self._judge = judge
        self._progress = Progress(ledger)

    def request(
        self, connection: Connection, transfer_id: str, reason: str, by: Person, now: datetime
    ) -> Release | Refusal:
        """Ask for the file of a transfer."""
        newest = select(verdicts).where(verdicts.c.transfer_id == transfer_id)
        row = connection.execute(newest.order_by(verdicts.c.ledger_index.desc()).limit(1)).first()
        if row is None:
            return Refusal(RefusalReason.NOT_FOUND, "transfer")
        transfer = transfer_of(row)
        judged = self._judge.judge(report_of(row), transfer, now)
        report, decision = judged.report, judged.decision
        refusal = _unreleasable(report, Verdict(row.verdict), decision)
        subject = subject_of(report, transfer)
        if refusal is not None or subject is None or decision.release is None:
            return refusal or Refusal(RefusalReason.NOT_RELEASABLE)
        others = cases.of_bytes(connection, subject.sha256)
        if any(other.case.subject == subject for other in others):
            return Refusal(RefusalReason.CONFLICT, "these bytes have a release that is open")
        if cases.waiting_of(connection, by.id) >= MOST_WAITING:
            detail = f"{MOST_WAITING} releases that you asked for are open"
            return Refusal(RefusalReason.CONFLICT, detail)
        known = _touching(connection, transfer, subject.sha256) | {login_of(by.name)}
        self._progress.touch_bytes(connection, subject.sha256, known, now)
        everybody = cases.touched(connection, subject.sha256)
        case = machine.request(subject, decision.release, by, everybody, now)
        release = Release(uuid7(), case, transfer_id, row.ledger_index, now, reason)
        cases.add(connection, release)
        self._progress.tell(connection, entries.requested(release, now), release, None, now)
        return release

    def vote(
        self,
        connection: Connection,
        release_id: str,
        action: Action,
        reason: str,
        by: Person,
        now: datetime,
    ) -> Release | Refusal:
        """APPROVE, DECLINE or BREAK_GLASS."""
        release = self._current(connection, release_id, now)
        if isinstance(release, Refusal):
            return release
        case = machine.step(release.case, action, by, now)
        if isinstance(case, Refusal):
            return case
        if cases.has_voted(connection, release_id, by.id, action):
            return Refusal(RefusalReason.VOTED)
        salt = os.urandom(16)
        vote = Vote(by.id, login_of(by.name), by.roles, action)
        cases.add_vote(connection, release_id, vote, reason, salt, now)
        changed = cases.save(connection, release, case)
        if action is not Action.BREAK_GLASS:
            hidden = entries.commitment(action.value, reason, salt)
            self._ledger.append(connection, entries.voted(changed, by.id, hidden, now))
        if action is Action.BREAK_GLASS or case.state is not State.VOTING:
            glass = reason if action is Action.BREAK_GLASS else ""
            votes = self._opened(connection, release_id, case)
            entry = entries.changed(changed, action, now, person=by.id, reason=glass, votes=votes)
            self._progress.tell(connection, entry, changed, action, now)
        if case.state is State.APPROVED:
            changed = self._progress.tell_agent(connection, changed, by.id, now)
        return changed

    def withdraw(
        self, connection: Connection, release_id: str, by: Person, now: datetime
    ) -> Release | Refusal:
        """Take a release back."""
        release = self._current(connection, release_id, now)
        if isinstance(release, Refusal):
            return release
        case = machine.step(release.case, Action.WITHDRAW, by, now)
        if isinstance(case, Refusal):
            return case
        return self._progress.keep(connection, release, case, Action.WITHDRAW, now, person=by.id)

    def _current(self, connection: Connection, release_id: str, now: datetime) -> Release | Refusal:
        """The release, void already where registry or policy changed what it speaks of."""
        release = cases.read(connection, release_id)
        if release is None:
            return Refusal(RefusalReason.NOT_FOUND, "release")
        if self._speaks_of_what_is(connection, release, now):
            lapsed = standing.lapsed(connection, release.case)
            return self._progress.touch(connection, release, lapsed, now)
        void = self._progress.move(connection, release, Action.VOID, now)
        return release if isinstance(void, Refusal) else void

    def _speaks_of_what_is(self, connection: Connection, release: Release, now: datetime) -> bool:
        """Whether registry and policy in force make of the file what they made of it then."""
        here = verdicts.c.ledger_index == release.verdict_index
        row = connection.execute(select(verdicts).where(here)).first()
        if row is None:
            return False
        transfer = transfer_of(row)
        judged = self._judge.judge(report_of(row), transfer, now)
        same = subject_of(judged.report, transfer) == release.case.subject
        if not same or not standing.has_same_terms(judged.decision, release.case):
            return False
        return not standing.is_protected(connection, judged.report)

    def _opened(
        self, connection: Connection, release_id: str, case: Case
    ) -> list[entries.OpenedVote]:
        """The votes, once they may be shown."""
        if not machine.shown_votes(case):
            return []
        return [
            entries.OpenedVote(row.person, row.choice, row.reason, bytes(row.salt))
            for row in cases.cast(connection, release_id)
            if not row.breaks_glass
        ]


def _unreleasable(report: Report, given: Verdict, decision: Decision) -> Refusal | None:
    """Why nobody may ask for this file."""
    if any(finding.class_ is FindingClass.PROTECTED for finding in report.findings):
        return Refusal(RefusalReason.PROTECTED_KEY)
    if given is Verdict.ALLOW or decision.verdict is Verdict.ALLOW:
        return Refusal(RefusalReason.CONFLICT, "the policy allows this file; open it again")
    if decision.release is None:
        return Refusal(RefusalReason.NOT_RELEASABLE, f"rule {decision.rule or 'none'}")
    return None


def _touching(connection: Connection, transfer: Transfer, sha256: str) -> frozenset[str]:
    """The logins that had to do with a transfer, or with its bytes while they were allowed.

    Who had to do with the bytes when they were stopped was remembered then.
    """
    told = select(receipts.c.opener).where(receipts.c.transfer_id == transfer.transfer_id)
    allowed = select(verdicts.c.opener).where(
        verdicts.c.sha256 == sha256, verdicts.c.verdict == Verdict.ALLOW.value
    )
    newest = allowed.order_by(verdicts.c.ledger_index.desc()).limit(_MOST_ALLOWED)
    found = {*connection.execute(told).scalars(), *connection.execute(newest).scalars()}
    return logins(transfer.opener).union(*(logins(opener_of(text)) for text in found))
