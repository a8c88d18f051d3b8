"""ReviewService: asking for releases and deciding on them, over mTLS.

Rules enforced here: who may call is ruled by roles, and whether it may be done by the machine; each
look at a release is in the ledger before it is answered, and so is each attempt that is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection

from lockgate.controller.fitting import fitting
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE, Person, Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release import cases, holds, showing
from lockgate.controller.release.cases import Release
from lockgate.controller.release.releases import Releases
from lockgate.controller.release.states import Action
from lockgate.scan.names import escape_name
from lockgate.v1 import review_pb2 as pb
from lockgate.v1 import review_pb2_grpc
from lockgate.wire.bounds.review import MOST_LISTED
from lockgate.wire.terms import REVIEWERS

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_REVIEWERS = frozenset(Role(word) for word in REVIEWERS)
_REQUESTERS = _REVIEWERS | {Role.ENGINEER}


class ReviewService(review_pb2_grpc.ReviewServiceServicer):
    """The servicer."""

    def __init__(self, calls: PersonCalls, releases: Releases) -> None:
        self._calls = calls
        self._releases = releases

    async def RequestRelease(  # noqa: N802  (the name is the contract's)
        self, request: pb.RequestReleaseRequest, context: _Context
    ) -> pb.RequestReleaseResponse:
        """Ask for a release; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            reason = escape_name(request.reason)
            made = self._releases.request(connection, request.transfer_id, reason, person, now)
            return _answer(connection, made, pb.RequestReleaseResponse)

        answer = await self._calls.write(request, context, "RequestRelease", _REQUESTERS, work)
        return pb.RequestReleaseResponse.FromString(answer)

    async def Vote(  # noqa: N802
        self, request: pb.VoteRequest, context: _Context
    ) -> pb.VoteResponse:
        """Vote; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            action = showing.CHOICES.get(request.choice)
            if action is None:
                return Refusal(RefusalReason.MALFORMED, "choice: approve or decline")
            given = (request.release_id, action, escape_name(request.reason))
            made = self._releases.vote(connection, *given, person, now)
            return _answer(connection, made, pb.VoteResponse)

        answer = await self._calls.write(request, context, "Vote", _REVIEWERS, work)
        return pb.VoteResponse.FromString(answer)

    async def Withdraw(  # noqa: N802
        self, request: pb.WithdrawRequest, context: _Context
    ) -> pb.WithdrawResponse:
        """Take back; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            made = self._releases.withdraw(connection, request.release_id, person, now)
            return _answer(connection, made, pb.WithdrawResponse)

        answer = await self._calls.write(request, context, "Withdraw", ANY_ROLE, work)
        return pb.WithdrawResponse.FromString(answer)

    async def BreakGlass(  # noqa: N802
        self, request: pb.BreakGlassRequest, context: _Context
    ) -> pb.BreakGlassResponse:
        """Ask past the review; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            given = (request.release_id, Action.BREAK_GLASS, escape_name(request.reason))
            made = self._releases.vote(connection, *given, person, now)
            return _answer(connection, made, pb.BreakGlassResponse)

        answer = await self._calls.write(request, context, "BreakGlass", _REVIEWERS, work)
        return pb.BreakGlassResponse.FromString(answer)

    async def ListReleases(  # noqa: N802
        self, request: pb.ListReleasesRequest, context: _Context
    ) -> pb.ListReleasesResponse:
        """Releases and holds; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = cases.newest(connection, MOST_LISTED, waiting_only=not request.all)
            return pb.ListReleasesResponse(
                releases=fitting(showing.release(connection, r, findings=False) for r in found),
                holds=[showing.hold(row) for row in holds.waiting(connection, MOST_LISTED)],
            ).SerializeToString()

        answer = await self._calls.read(request, context, "ListReleases", ANY_ROLE, show)
        return pb.ListReleasesResponse.FromString(answer)

    async def GetRelease(  # noqa: N802
        self, request: pb.GetReleaseRequest, context: _Context
    ) -> pb.GetReleaseResponse:
        """One release; see the .proto."""

        def show(connection: Connection) -> bytes | Refusal:
            found = cases.read(connection, request.release_id)
            made = found or Refusal(RefusalReason.NOT_FOUND, "release")
            return _answer(connection, made, pb.GetReleaseResponse)

        answer = await self._calls.read(request, context, "GetRelease", ANY_ROLE, show)
        return pb.GetReleaseResponse.FromString(answer)


def _answer(connection: Connection, made: Release | Refusal, response: Any) -> bytes | Refusal:
    if isinstance(made, Refusal):
        return made
    shown = showing.release(connection, made, findings=True)
    return bytes(response(release=shown).SerializeToString())
