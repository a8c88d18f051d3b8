"""Releases and holds as people see them: messages of ``review.proto``.

Rules enforced here:

1. Nobody sees bytes or the path of a file: where a key lies in it, which key, and how large the
   file is, is enough to decide on.
2. What a vote said is shown once all have voted; who has voted always is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from lockgate.controller.clock import from_micros
from lockgate.controller.fitting import fitting
from lockgate.controller.people import people
from lockgate.controller.release import cases, machine
from lockgate.controller.release.cases import Release
from lockgate.controller.release.states import Action, State
from lockgate.controller.release.subject import report_of
from lockgate.controller.store.schema import verdicts
from lockgate.scan.report import FindingClass
from lockgate.v1 import review_pb2 as pb
from lockgate.wire import convert
from lockgate.wire.convert.report import CLASSES
from lockgate.wire.convert.transfer import BOUNDARIES, VERDICTS
from lockgate.wire.convert.values import EnumMap, timestamp
from lockgate.wire.transfer import Boundary, Verdict, Zone

STATES = EnumMap(State, pb.ReleaseState.DESCRIPTOR)
CHOICES: Mapping[pb.VoteChoice, Action] = {
    pb.VOTE_CHOICE_APPROVE: Action.APPROVE,
    pb.VOTE_CHOICE_DECLINE: Action.DECLINE,
}
_NUMBERS = {action: pb.VoteChoice.Name(number) for number, action in CHOICES.items()}


def release(connection: Connection, shown: Release, *, findings: bool) -> pb.Release:
    """The message of a release; with the places of the keys, as many as fit, when ``findings``.

    Once its verdict has expired, what stood there only is missing.
    """
    subject, case = shown.case.subject, shown.case
    message = pb.Release(
        release_id=shown.id,
        state=STATES.number(case.state),
        owner=machine.owner(case),
        transfer_id=shown.transfer_id,
        host=subject.host,
        zone=convert.zone_to_wire(Zone(subject.zone)),
        sha256=subject.sha256,
        report_digest=subject.report_digest,
        rule_pack=subject.rule_pack,
        reason=shown.reason,
        reviewers=case.terms.reviewers,
    )
    _put_times(message, shown)
    _put_people(connection, message, shown)
    here = verdicts.c.ledger_index == shown.verdict_index
    row = connection.execute(select(verdicts).where(here)).first()
    if row is not None:
        _put_verdict(message, row, findings=findings)
    return message


def hold(row: Row[Any]) -> pb.Hold:
    """The message of a row of holds."""
    return pb.Hold(
        transfer_id=row.transfer_id,
        host=row.host,
        zone=row.zone,
        verdict=VERDICTS.number(Verdict(row.verdict)),
        rule=row.rule,
        owner=row.owner,
        deadline=timestamp(from_micros(row.deadline)),
        begin_time=timestamp(from_micros(row.began_at)),
        escalations=row.escalations,
    )


def _put_verdict(message: pb.Release, row: Row[Any], *, findings: bool) -> None:
    report = report_of(row)
    classes = {finding.class_ for finding in report.findings}
    message.zone.signing = row.zone_signing
    message.boundary = BOUNDARIES.number(Boundary(row.boundary))
    message.verdict = VERDICTS.number(Verdict(row.verdict))
    message.rule = row.rule
    message.size = row.size
    message.classes.extend(CLASSES.number(class_) for class_ in FindingClass if class_ in classes)
    if findings:
        message.findings.extend(fitting(convert.report_to_wire(report).findings))


def _put_times(message: pb.Release, shown: Release) -> None:
    message.request_time.CopyFrom(timestamp(shown.requested_at))
    message.change_time.CopyFrom(timestamp(shown.case.changed_at))
    if shown.case.deadline is not None:
        message.deadline.CopyFrom(timestamp(shown.case.deadline))
    if shown.case.valid_until is not None:
        message.valid_until.CopyFrom(timestamp(shown.case.valid_until))


def _put_people(connection: Connection, message: pb.Release, shown: Release) -> None:
    case = shown.case
    rows = cases.cast(connection, shown.id)
    names = people.names(connection, [case.requested_by, *(row.person for row in rows)])
    message.requested_by = names.get(case.requested_by, "")
    voted = [row for row in rows if not row.breaks_glass]
    message.voted.extend(names.get(row.person, "") for row in voted)
    message.breakers.extend(names.get(row.person, "") for row in rows if row.breaks_glass)
    if machine.shown_votes(case):
        message.votes.extend(_votes(voted, names))


def _votes(rows: Sequence[Row[Any]], names: Mapping[str, str]) -> list[pb.ReleaseVote]:
    return [
        pb.ReleaseVote(
            person=names.get(row.person, ""),
            choice=_NUMBERS[Action(row.choice)],
            reason=row.reason,
        )
        for row in rows
    ]
