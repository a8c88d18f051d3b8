"""HostService: who is turned away and what agents are told, by people, over mTLS.

Rules enforced here:

1. Turning a host away takes nobody else: it stops something and lets nothing through.
2. What is told to an agent here makes it look again or move a file away. Putting a file back is
   a change (``.restoring``), and letting one through a release.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection, select

from lockgate.controller.appending import Ledger
from lockgate.controller.hosts import messages
from lockgate.controller.identity import exclusion
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE, Person, Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release.machine import login_of
from lockgate.controller.release.progress import Progress
from lockgate.controller.store.schema import agents, verdicts
from lockgate.controller.stream import commands
from lockgate.v1 import host_pb2 as pb
from lockgate.v1 import host_pb2_grpc
from lockgate.wire.agent import Action, ForgetDecisions, QuarantineFile, Rescan
from lockgate.wire.transfer import FileIdentity, Zone

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_EXCLUDING = frozenset({Role.SECURITY, Role.ADMINISTRATOR})
_TELLING = frozenset({Role.SECURITY, Role.ADMINISTRATOR, Role.ON_CALL})


class HostService(host_pb2_grpc.HostServiceServicer):
    """The servicer."""

    def __init__(self, calls: PersonCalls, ledger: Ledger) -> None:
        self._calls = calls
        self._ledger = ledger

    async def ListHosts(  # noqa: N802  (the name is the contract's)
        self, request: pb.ListHostsRequest, context: _Context
    ) -> pb.ListHostsResponse:
        """Every host; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = messages.hosts(connection, request.after)
            return pb.ListHostsResponse(hosts=found).SerializeToString()

        answer = await self._calls.read(request, context, "ListHosts", ANY_ROLE, show)
        return pb.ListHostsResponse.FromString(answer)

    async def EvictHost(  # noqa: N802
        self, request: pb.EvictHostRequest, context: _Context
    ) -> pb.EvictHostResponse:
        """Take a host's identity; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            why = (request.host, request.reason, now)
            revoked = exclusion.evict(connection, self._ledger, *why, by=person.id)
            if isinstance(revoked, Refusal):
                return revoked
            return pb.EvictHostResponse(revoked_certificates=revoked).SerializeToString()

        answer = await self._calls.write(request, context, "EvictHost", _EXCLUDING, work)
        return pb.EvictHostResponse.FromString(answer)

    async def BanHost(  # noqa: N802
        self, request: pb.BanHostRequest, context: _Context
    ) -> pb.BanHostResponse:
        """Refuse a host; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            why = (request.host, request.reason, now)
            return exclusion.ban(connection, self._ledger, *why, by=person.id) or b""

        answer = await self._calls.write(request, context, "BanHost", _EXCLUDING, work)
        return pb.BanHostResponse.FromString(answer)

    async def UnbanHost(  # noqa: N802
        self, request: pb.UnbanHostRequest, context: _Context
    ) -> pb.UnbanHostResponse:
        """End a ban; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            why = (request.host, request.reason, now)
            return exclusion.unban(connection, self._ledger, *why, by=person.id) or b""

        answer = await self._calls.write(request, context, "UnbanHost", _EXCLUDING, work)
        return pb.UnbanHostResponse.FromString(answer)

    async def SendCommand(  # noqa: N802
        self, request: pb.SendCommandRequest, context: _Context
    ) -> pb.SendCommandResponse:
        """Have an agent look again; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            action = _action(connection, request)
            if isinstance(action, Refusal):
                return action
            to = (request.host, action, now)
            sent = commands.send(connection, self._ledger, *to, by=person.id)
            if isinstance(action, QuarantineFile):  # whoever moves a file reviews no release of it
                who = frozenset({login_of(person.name)})
                Progress(self._ledger).handled(connection, action.transfer_id, who, now)
            return pb.SendCommandResponse(command_id=sent).SerializeToString()

        answer = await self._calls.write(request, context, "SendCommand", _TELLING, work)
        return pb.SendCommandResponse.FromString(answer)

    async def ListCommands(  # noqa: N802
        self, request: pb.ListCommandsRequest, context: _Context
    ) -> pb.ListCommandsResponse:
        """The newest commands; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = messages.sent_commands(connection, request.host)
            return pb.ListCommandsResponse(commands=found).SerializeToString()

        answer = await self._calls.read(request, context, "ListCommands", ANY_ROLE, show)
        return pb.ListCommandsResponse.FromString(answer)


def _action(connection: Connection, request: pb.SendCommandRequest) -> Action | Refusal:
    """What an agent is to do, if it is enrolled here."""
    known = select(agents.c.host).where(agents.c.host == request.host)
    if connection.execute(known).first() is None:
        return Refusal(RefusalReason.NOT_FOUND, "host")
    match request.WhichOneof("action"):
        case "rescan_zone":
            return Rescan(Zone(request.rescan_zone))
        case "forget_decisions":
            return ForgetDecisions()
        case "quarantine_transfer_id":
            return _file_of(connection, request.host, request.quarantine_transfer_id)
    return Refusal(RefusalReason.MALFORMED, "action: missing")


def _file_of(connection: Connection, host: str, transfer_id: str) -> QuarantineFile | Refusal:
    """The file of a transfer, as its host reported it."""
    newest = (
        select(verdicts)
        .where(verdicts.c.transfer_id == transfer_id, verdicts.c.host == host)
        .order_by(verdicts.c.ledger_index.desc())
        .limit(1)
    )
    row = connection.execute(newest).first()
    if row is None or row.path is None:
        return Refusal(RefusalReason.NOT_FOUND, "the transfer, or the path of its file")
    identity = FileIdentity(**json.loads(row.identity))
    return QuarantineFile(transfer_id, Zone(row.zone, signing=row.zone_signing), row.path, identity)
