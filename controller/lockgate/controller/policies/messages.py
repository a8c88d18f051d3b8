"""Versions and replays as messages."""

from __future__ import annotations

from typing import Any

from lockgate.controller.clock import from_micros
from lockgate.controller.policies.content import read
from lockgate.controller.policies.replay import Group, Replayed, Said, Tally
from lockgate.controller.policies.store import PolicySource, PolicyState, Version
from lockgate.policy.document import Source
from lockgate.v1 import policy_pb2 as pb
from lockgate.v1 import transfer_pb2
from lockgate.wire.bounds.policy import MOST_CHANGES
from lockgate.wire.convert.values import SHORT_TEXT, EnumMap, cut, timestamp
from lockgate.wire.transfer import HoldReason, Verdict

SOURCES = EnumMap(PolicySource, pb.PolicySource.DESCRIPTOR)
STATES = EnumMap(PolicyState, pb.PolicyState.DESCRIPTOR)
VERDICTS = EnumMap(Verdict, transfer_pb2.Verdict.DESCRIPTOR)
HOLD_REASONS = EnumMap(HoldReason, transfer_pb2.HoldReason.DESCRIPTOR)


def version_message(version: Version) -> pb.PolicyVersion:
    """A version without its documents."""
    return pb.PolicyVersion(
        version=version.number,
        digest=version.digest,
        source=SOURCES.number(version.source),
        state=STATES.number(version.state),
        rings=version.rings,
        create_time=timestamp(from_micros(version.created_at)),
        change_time=timestamp(from_micros(version.changed_at)),
        change_id=version.change_id,
        reason=version.reason,
    )


def document_messages(version: Version) -> list[pb.PolicyDocument]:
    """The files of a version."""
    sources = read(version.documents.encode())
    return [pb.PolicyDocument(name=source.name, text=source.text) for source in sources]


def sources_of(request: pb.ReplayPolicyRequest) -> list[Source]:
    """The files that a request brings."""
    return [Source(document.name, document.text) for document in request.documents]


def replay_message(found: Replayed, digest: str) -> pb.ReplayPolicyResponse:
    """What a replay found, the most frequent change first."""
    often = sorted(found.changes.items(), key=lambda item: (-item[1].count, item[0][0]))
    return pb.ReplayPolicyResponse(
        digest=digest,
        transfers=found.transfers,
        changed=found.changed,
        unreadable=found.unreadable,
        changes=[_change(*key, tally) for key, tally in often[:MOST_CHANGES]],
    )


def _change(group: Group, old: Said, new: Said, tally: Tally) -> pb.ReplayChange:
    return pb.ReplayChange(
        zone=group.zone,
        host=group.host,
        classes=group.classes,
        old_verdict=_verdict(old),
        old_hold_reason=_hold_reason(old),
        old_rule=cut(old.rule, SHORT_TEXT),
        new_verdict=_verdict(new),
        new_hold_reason=_hold_reason(new),
        new_rule=cut(new.rule, SHORT_TEXT),
        count=tally.count,
        transfer_ids=tally.examples,
    )


def _verdict(said: Said) -> Any:
    return VERDICTS.number(Verdict(said.verdict))


def _hold_reason(said: Said) -> Any:
    return HOLD_REASONS.number(HoldReason(said.hold_reason)) if said.hold_reason else 0
