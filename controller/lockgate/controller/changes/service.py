"""ChangeService: proposing and deciding on changes, over mTLS.

Rules enforced here: who may do what is ruled by the kind of a change; reading changes is for
everybody with a role, their content too, because nobody can approve what they cannot see.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection

from lockgate.controller.changes import changes
from lockgate.controller.changes.changes import Change, Changes, ChangeState
from lockgate.controller.clock import from_micros
from lockgate.controller.fitting import fitting
from lockgate.controller.people import people
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE, Person
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.v1 import change_pb2 as pb
from lockgate.v1 import change_pb2_grpc
from lockgate.wire.bounds.change import MOST_CHANGES
from lockgate.wire.convert.values import EnumMap, timestamp

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_STATES = EnumMap(ChangeState, pb.ChangeState.DESCRIPTOR)


class ChangeService(change_pb2_grpc.ChangeServiceServicer):
    """The servicer."""

    def __init__(self, calls: PersonCalls, made: Changes) -> None:
        self._calls = calls
        self._changes = made

    async def ProposeChange(  # noqa: N802  (the name is the contract's)
        self, request: pb.ProposeChangeRequest, context: _Context
    ) -> pb.ProposeChangeResponse:
        """Propose; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            given = (request.kind, request.content, request.reason)
            change = self._changes.propose(connection, *given, person, now)
            return _answer(connection, change, pb.ProposeChangeResponse)

        answer = await self._calls.write(request, context, "ProposeChange", ANY_ROLE, work)
        return pb.ProposeChangeResponse.FromString(answer)

    async def ApproveChange(  # noqa: N802
        self, request: pb.ApproveChangeRequest, context: _Context
    ) -> pb.ApproveChangeResponse:
        """Approve; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            what = (request.change_id, request.content_sha256)
            change = self._changes.approve(connection, *what, person, now)
            return _answer(connection, change, pb.ApproveChangeResponse)

        answer = await self._calls.write(request, context, "ApproveChange", ANY_ROLE, work)
        return pb.ApproveChangeResponse.FromString(answer)

    async def RejectChange(  # noqa: N802
        self, request: pb.RejectChangeRequest, context: _Context
    ) -> pb.RejectChangeResponse:
        """Reject; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            what = (request.change_id, request.reason)
            change = self._changes.reject(connection, *what, person, now)
            return _answer(connection, change, pb.RejectChangeResponse)

        answer = await self._calls.write(request, context, "RejectChange", ANY_ROLE, work)
        return pb.RejectChangeResponse.FromString(answer)

    async def ListChanges(  # noqa: N802
        self, request: pb.ListChangesRequest, context: _Context
    ) -> pb.ListChangesResponse:
        """The newest changes; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = changes.listed(connection, MOST_CHANGES, waiting_only=not request.all)
            shown = fitting(_messages(connection, found))
            return pb.ListChangesResponse(changes=shown).SerializeToString()

        answer = await self._calls.read(request, context, "ListChanges", ANY_ROLE, show)
        return pb.ListChangesResponse.FromString(answer)

    async def GetChange(  # noqa: N802
        self, request: pb.GetChangeRequest, context: _Context
    ) -> pb.GetChangeResponse:
        """One change with its content; see the .proto."""

        def show(connection: Connection) -> bytes | Refusal:
            change = changes.read(connection, request.change_id)
            if change is None:
                return Refusal(RefusalReason.NOT_FOUND, "change")
            (message,) = _messages(connection, [change])
            return pb.GetChangeResponse(change=message, content=change.content).SerializeToString()

        answer = await self._calls.read(request, context, "GetChange", ANY_ROLE, show)
        return pb.GetChangeResponse.FromString(answer)


def _answer(connection: Connection, change: Change | Refusal, response: Any) -> bytes | Refusal:
    if isinstance(change, Refusal):
        return change
    (message,) = _messages(connection, [change])
    return bytes(response(change=message).SerializeToString())


def _messages(connection: Connection, found: Sequence[Change]) -> list[pb.Change]:
    ids = {change.proposed_by for change in found} | {change.decided_by or "" for change in found}
    names = people.names(connection, sorted(ids))
    return [_message(change, names) for change in found]


def _message(change: Change, names: dict[str, str]) -> pb.Change:
    message = pb.Change(
        change_id=change.id,
        kind=change.kind,
        summary=change.summary,
        reason=change.reason,
        state=_STATES.number(ChangeState(change.state)),
        proposed_by=names.get(change.proposed_by, ""),
        decided_by=names.get(change.decided_by or "", ""),
        decision_reason=change.decision_reason or "",
        propose_time=timestamp(from_micros(change.proposed_at)),
        expire_time=timestamp(from_micros(change.expires_at)),
        content_sha256=change.content_sha256,
    )
    if change.decided_at is not None:
        message.decide_time.CopyFrom(timestamp(from_micros(change.decided_at)))
    return message
