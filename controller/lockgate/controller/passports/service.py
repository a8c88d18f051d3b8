"""PassportService: revoking passports and fetching the list, over mTLS.

Rules enforced here: revoking takes nothing away but trust, so one person of those who answer for
keys may do it at once; there is no taking back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection

from lockgate.controller.passports.revoking import newest_list, revoke, was_decided
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE, Person, Role
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.scan.names import escape_name
from lockgate.v1 import passport_pb2 as pb
from lockgate.v1 import passport_pb2_grpc
from lockgate.wire.revocations import Rule

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_MAY_REVOKE = frozenset({Role.SECURITY, Role.ON_CALL, Role.ADMINISTRATOR})


class PassportService(passport_pb2_grpc.PassportServiceServicer):
    """The servicer."""

    def __init__(self, calls: PersonCalls, ledger: Ledger) -> None:
        self._calls = calls
        self._ledger = ledger

    async def RevokePassports(  # noqa: N802  (the name is the contract's)
        self, request: pb.RevokePassportsRequest, context: _Context
    ) -> pb.RevokePassportsResponse:
        """Revoke; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            rule = rule_of(request, now)
            refusal = rule if isinstance(rule, Refusal) else check(connection, rule)
            if isinstance(rule, Refusal) or refusal is not None:
                return refusal or Refusal(RefusalReason.MALFORMED)
            index = revoke(connection, self._ledger, rule, now, person.id)
            return pb.RevokePassportsResponse(ledger_index=index).SerializeToString()

        answer = await self._calls.write(request, context, "RevokePassports", _MAY_REVOKE, work)
        return pb.RevokePassportsResponse.FromString(answer)

    async def GetRevocationList(  # noqa: N802
        self, request: pb.GetRevocationListRequest, context: _Context
    ) -> pb.GetRevocationListResponse:
        """The newest list; see the .proto."""

        def show(connection: Connection) -> bytes | Refusal:
            envelope = newest_list(connection)
            if envelope is None:
                return Refusal(RefusalReason.NOT_FOUND, "a list of revocations")
            return pb.GetRevocationListResponse(envelope=envelope).SerializeToString()

        answer = await self._calls.read(request, context, "GetRevocationList", ANY_ROLE, show)
        return pb.GetRevocationListResponse.FromString(answer)


def rule_of(request: pb.RevokePassportsRequest, now: datetime) -> Rule | Refusal:
    """What a valid request means."""
    if bool(request.transfer_id) == bool(request.host):
        return Refusal(RefusalReason.MALFORMED, "either transfer_id or host")
    reason = escape_name(request.reason)
    if request.transfer_id:
        return Rule(reason, transfer_id=request.transfer_id)
    if not request.HasField("since"):
        return Refusal(RefusalReason.MALFORMED, "since: missing")
    since = request.since.ToDatetime(tzinfo=UTC)
    until = request.until.ToDatetime(tzinfo=UTC) if request.HasField("until") else now
    if until < since:
        return Refusal(RefusalReason.MALFORMED, "since: not before until")
    return Rule(reason, "", request.host, request.zone, since, until)


def check(connection: Connection, rule: Rule) -> Refusal | None:
    """Why there is nothing to revoke; None: there may be."""
    if rule.transfer_id and not was_decided(connection, rule.transfer_id):
        return Refusal(RefusalReason.NOT_FOUND, "transfer")
    return None
