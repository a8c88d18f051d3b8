"""What releases do to verdicts, and receipts to releases: the two hooks of the decision service.

Rules enforced here:

1. A release turns one decision about exactly its subject into ALLOW, once: these bytes, this
   report, this rule pack, on this host, in this zone, over the boundary that was asked about. It
   gives no passport, and the agent may not use the decision again.
2. Every verdict is looked at for what makes a release void: other bytes under the same name, or
   another report or rule pack for the same bytes. So is who opened the file.
3. What a release rests on is looked at once more before it lets anything through: the policy's
   terms, those who approved it, and the store's registry (``.standing``).
4. The receipt of that one attempt says what became of the release. Without one it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from lockgate.controller.incidents.sightings import is_canary
from lockgate.controller.records import Decided, Ledger
from lockgate.controller.refusals import Refusal
from lockgate.controller.release import cases, holds, machine, standing
from lockgate.controller.release.cases import Release
from lockgate.controller.release.looking import Looked
from lockgate.controller.release.machine import Subject
from lockgate.controller.release.progress import Progress
from lockgate.controller.release.states import Action, State
from lockgate.controller.release.subject import logins, subject_of
from lockgate.controller.store.schema import receipts, verdicts
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, Enforcement, Receipt, Transfer, Verdict

_RULE = "release:"
_SYSTEM = "controller"
_STARTING = frozenset({State.APPROVED, State.RELEASING})
_OUTCOMES: Mapping[tuple[State, Enforcement], Action] = {
    (State.RELEASING, Enforcement.ALLOWED): Action.SUCCEED,
    (State.RELEASING, Enforcement.NOT_ENFORCED): Action.SUCCEED,
    (State.RELEASING, Enforcement.DENIED): Action.NOT_MOVED,
    (State.RELEASING, Enforcement.QUARANTINED): Action.FAIL,
    (State.RELEASING, Enforcement.QUARANTINE_FAILED): Action.FAIL,
    (State.RESTORING, Enforcement.RESTORED): Action.RESTORED,
    (State.FAILED, Enforcement.ALLOWED): Action.SUCCEED,
    (State.FAILED, Enforcement.NOT_ENFORCED): Action.SUCCEED,
}


def released(decision: Decision, release_id: str) -> Decision:
    """The decision about a file that people released."""
    return Decision(
        verdict=Verdict.ALLOW,
        rule=_RULE + release_id,
        message="People released this file, once.",
        warnings=decision.warnings,
        policy_digest=decision.policy_digest,
        audit=decision.audit,
    )


def is_release(decision: Decision) -> bool:
    """Whether people made this decision."""
    return decision.rule.startswith(_RULE)


class Effects:
    """The hooks."""

    def __init__(self, ledger: Ledger) -> None:
        self._progress = Progress(ledger)

    def on_verdict(
        self,
        connection: Connection,
        transfer: Transfer,
        report: Report,
        decision: Decision,
        looked: Looked,
        now: datetime,
    ) -> Decision:
        """What the decision becomes; to be called before it is written down."""
        stops = holds.is_stopped(decision)
        near = (transfer.host, transfer.path, report.sha256)
        waiting = cases.near(connection, *near) if looked.release else []
        # After what waits was read: it has yet to take them in.
        if stops and report.sha256 is not None and not is_canary(report):
            cases.add_touches(connection, report.sha256, logins(transfer.opener), now)
        if not waiting:
            return decision
        subject = subject_of(report, transfer)
        for release in waiting:
            granted = self._seen(connection, release, transfer, subject, now)
            if granted is None or not stops:
                continue
            if self._stands(connection, granted, transfer, report, decision, now) and self._start(
                connection, granted, transfer, now
            ):
                return released(decision, granted.id)
        return decision

    def after_verdict(
        self, connection: Connection, decided: Decided, looked: Looked, verdict_index: int
    ) -> None:
        """Wait for somebody where the policy says so, or no longer."""
        transfer, decision, now = decided.transfer, decided.decision, decided.now
        sha256 = decided.report.sha256
        if holds.is_stopped(decision) and not looked.hold:
            holds.stopped(connection, transfer, sha256, decision, verdict_index, now)
        elif looked.hold and decision.verdict is Verdict.ALLOW and not is_release(decision):
            where = (transfer.host, transfer.zone.name)
            holds.settled(connection, *where, holds.subject_of(transfer, sha256), now)

    def on_receipt(self, connection: Connection, done: Receipt, host: str, now: datetime) -> None:
        """Take in what an agent did; to be called once the receipt is written down."""
        if done.verdict is not Verdict.ALLOW:
            self._progress.handled(connection, done.transfer_id, logins(done.opener), now)
        release = cases.moving(connection, done.transfer_id)
        if release is None or release.case.subject.host != host:
            return
        action = _OUTCOMES.get((release.case.state, done.enforcement))
        if action is None:
            return
        moved = self._progress.move(connection, release, action, now)
        if isinstance(moved, Refusal):
            return
        if moved.case.state is State.RELEASED:
            subject = moved.case.subject
            holds.settled(connection, host, subject.zone, subject.sha256, now)
        elif moved.case.state is State.APPROVED:
            self._progress.tell_agent(connection, moved, _SYSTEM, now)

    def _seen(
        self,
        connection: Connection,
        release: Release,
        transfer: Transfer,
        subject: Subject | None,
        now: datetime,
    ) -> Release | None:
        """Take in one more verdict near a release; the release when it is of this very file."""
        if subject is not None and subject.sha256 == release.case.subject.sha256:
            release = self._progress.touch(connection, release, logins(transfer.opener), now)
        if release.case.subject == subject:
            return release
        if _contradicts(connection, release, transfer, subject):
            self._progress.move(connection, release, Action.VOID, now)
        return None

    def _stands(
        self,
        connection: Connection,
        release: Release,
        transfer: Transfer,
        report: Report,
        decision: Decision,
        now: datetime,
    ) -> bool:
        """Whether what an approved release rests on is still there; void where it never can be."""
        if release.case.state not in _STARTING or machine.is_over(release.case, now):
            return False
        if not standing.has_same_terms(decision, release.case):
            return False
        if not standing.is_same_way(connection, release, transfer):
            return False
        lapsed = standing.lapsed(connection, release.case)
        if lapsed or standing.is_protected(connection, report):
            self._progress.move(connection, release, Action.VOID, now)
            return False
        return True

    def _start(
        self, connection: Connection, release: Release, transfer: Transfer, now: datetime
    ) -> bool:
        """Whether this attempt is the one that gets the file."""
        again = release.moving_transfer == transfer.transfer_id
        if release.case.state is State.RELEASING and again:
            return True
        if _answered(connection, transfer.transfer_id):
            return False
        changes = {"moving_transfer": transfer.transfer_id}
        started = self._progress.move(connection, release, Action.START, now, **changes)
        return not isinstance(started, Refusal)


def _contradicts(
    connection: Connection, release: Release, transfer: Transfer, subject: Subject | None
) -> bool:
    """Whether a verdict shows that what a release speaks of is not what is there."""
    known = release.case.subject
    if (known.host, known.zone) != (transfer.host, transfer.zone.name):
        return False
    if subject is not None and subject.sha256 == known.sha256:
        return True
    query = select(verdicts.c.path).where(verdicts.c.ledger_index == release.verdict_index)
    return connection.execute(query).scalar() == transfer.path


def _answered(connection: Connection, transfer_id: str) -> bool:
    """Whether the opener of a new attempt has had its answer already: no receipt would follow.

    Of an attempt that is asked about again there may be receipts of the earlier answer.
    """
    asked = select(verdicts.c.ledger_index).where(verdicts.c.transfer_id == transfer_id)
    told = select(receipts.c.ledger_index).where(receipts.c.transfer_id == transfer_id)
    new = connection.execute(asked.limit(1)).first() is None
    return new and connection.execute(told.limit(1)).first() is not None
