"""IncidentService, over mTLS.

Rules enforced here: everybody with a role may look; who answers for keys, zones and services
takes incidents on; who answers for keys, or is paged, closes them and withdraws rulings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection

from lockgate.controller.appending import Ledger
from lockgate.controller.incidents import acts, showing
from lockgate.controller.incidents.messages import STATES
from lockgate.controller.incidents.state import IncidentAction
from lockgate.controller.known_keys import LiveKeys
from lockgate.controller.people.calls import PersonCalls, PersonWork
from lockgate.controller.people.roles import ANY_ROLE, Person, Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.triage import store as triage
from lockgate.v1 import incident_pb2 as pb
from lockgate.v1 import incident_pb2_grpc

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_CLOSE = frozenset({Role.SECURITY, Role.ON_CALL})
_TAKE_ON = _CLOSE | {Role.ZONE_OWNER, Role.SERVICE_OWNER}


class IncidentService(incident_pb2_grpc.IncidentServiceServicer):
    """The servicer."""

    def __init__(self, calls: PersonCalls, ledger: Ledger, live: LiveKeys) -> None:
        self._calls = calls
        self._ledger = ledger
        self._live = live

    async def ListIncidents(  # noqa: N802  (the name is the contract's)
        self, request: pb.ListIncidentsRequest, context: _Context
    ) -> pb.ListIncidentsResponse:
        """The newest incidents; see the .proto."""
        state, protected = STATES.word(request.state), self._live.current.protected

        def show(connection: Connection) -> bytes:
            found = showing.listed(connection, state, protected)
            return pb.ListIncidentsResponse(incidents=found).SerializeToString()

        answer = await self._calls.read(request, context, "ListIncidents", ANY_ROLE, show)
        return pb.ListIncidentsResponse.FromString(answer)

    async def GetIncident(  # noqa: N802
        self, request: pb.GetIncidentRequest, context: _Context
    ) -> pb.GetIncidentResponse:
        """One incident; see the .proto."""

        def show(connection: Connection) -> bytes | Refusal:
            known = acts.find(connection, request.incident)
            if known is None:
                return Refusal(RefusalReason.NOT_FOUND, "incident")
            files, protected = self._live.files, self._live.current.protected
            return showing.detailed(connection, known, files, protected).SerializeToString()

        answer = await self._calls.read(request, context, "GetIncident", ANY_ROLE, show)
        return pb.GetIncidentResponse.FromString(answer)

    async def AcknowledgeIncident(  # noqa: N802
        self, request: pb.AcknowledgeIncidentRequest, context: _Context
    ) -> pb.AcknowledgeIncidentResponse:
        """Take on; see the .proto."""
        work = self._act(request, IncidentAction.ACKNOWLEDGE, pb.AcknowledgeIncidentResponse)
        answer = await self._calls.write(request, context, "AcknowledgeIncident", _TAKE_ON, work)
        return pb.AcknowledgeIncidentResponse.FromString(answer)

    async def CloseIncident(  # noqa: N802
        self, request: pb.CloseIncidentRequest, context: _Context
    ) -> pb.CloseIncidentResponse:
        """Close; see the .proto."""
        work = self._act(request, IncidentAction.CLOSE, pb.CloseIncidentResponse)
        answer = await self._calls.write(request, context, "CloseIncident", _CLOSE, work)
        return pb.CloseIncidentResponse.FromString(answer)

    async def ListRulings(  # noqa: N802
        self, request: pb.ListRulingsRequest, context: _Context
    ) -> pb.ListRulingsResponse:
        """The rulings; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = showing.rulings(connection, request.fingerprint or None)
            return pb.ListRulingsResponse(rulings=found).SerializeToString()

        answer = await self._calls.read(request, context, "ListRulings", ANY_ROLE, show)
        return pb.ListRulingsResponse.FromString(answer)

    async def WithdrawRuling(  # noqa: N802
        self, request: pb.WithdrawRulingRequest, context: _Context
    ) -> pb.WithdrawRulingResponse:
        """End a ruling; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            given = (request.fingerprint, person.id, now)
            if not triage.withdraw(connection, self._ledger, *given):
                return Refusal(RefusalReason.NOT_FOUND, "a ruling that holds")
            (ended, *_) = showing.rulings(connection, request.fingerprint)
            return pb.WithdrawRulingResponse(ruling=ended).SerializeToString()

        answer = await self._calls.write(request, context, "WithdrawRuling", _CLOSE, work)
        return pb.WithdrawRulingResponse.FromString(answer)

    def _act(self, request: Any, action: IncidentAction, response: Any) -> PersonWork:
        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            given = (request.incident, action, request.reason, person, now)
            changed = acts.act(connection, self._ledger, *given)
            if isinstance(changed, Refusal):
                return changed
            shown = showing.one(connection, changed, self._live.current.protected)
            return bytes(response(incident=shown).SerializeToString())

        return work
