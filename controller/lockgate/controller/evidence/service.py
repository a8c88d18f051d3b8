"""LedgerService: questions to the ledger, over mTLS.

Rules enforced here: whoever has a role may ask; that they did, and what for, is in the ledger
before they see anything.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.config import ControllerSettings
from lockgate.controller.evidence.answers import TooMuchError, coverage_of, key_answer
from lockgate.controller.evidence.coverage import Day
from lockgate.controller.evidence.key import Asked, UnknownKeyError
from lockgate.controller.evidence.search import Found, Wanted, search
from lockgate.controller.ledger import stored
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.retention import expiry, holds, trust
from lockgate.controller.retention.settings import periods
from lockgate.v1 import ledger_pb2 as pb
from lockgate.v1 import ledger_pb2_grpc
from lockgate.wire.bounds.ledger import MOST_HOLDS
from lockgate.wire.convert.values import EnumMap, timestamp

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_DEFAULT_LIMIT = 100
_LARGEST = 2**63 - 1
#: The last microsecond of the year 9999.
_LATEST = 253_402_300_799_999_999
DAYS = EnumMap(Day, pb.CoverageDay.DESCRIPTOR)


class LedgerService(ledger_pb2_grpc.LedgerServiceServicer):
    """The servicer; ``key`` is the ledger's public one."""

    def __init__(
        self, calls: PersonCalls, key: Ed25519PublicKey, settings: ControllerSettings
    ) -> None:
        self._calls = calls
        self._key = key
        self._settings = settings

    async def SearchLedger(  # noqa: N802  (the name is the contract's)
        self, request: pb.SearchLedgerRequest, context: _Context
    ) -> pb.SearchLedgerResponse:
        """A page of entries; see the .proto."""

        def show(connection: Connection) -> bytes:
            page = search(connection, _wanted(request), request.limit or _DEFAULT_LIMIT)
            entries = [_entry(row) for row in page.entries]
            answer = pb.SearchLedgerResponse(entries=entries, older=page.older)
            return answer.SerializeToString()

        answer = await self._calls.read(request, context, "SearchLedger", ANY_ROLE, show)
        return pb.SearchLedgerResponse.FromString(answer)

    async def GetKeyHistory(  # noqa: N802
        self, request: pb.GetKeyHistoryRequest, context: _Context
    ) -> pb.GetKeyHistoryResponse:
        """Where a key has been; see the .proto."""
        until = _micros(request, "until")
        asked = Asked(
            key=request.key,
            since=_micros(request, "since"),
            until=clock.to_micros(clock.now()) if until is None else until,
            limit=request.limit or _DEFAULT_LIMIT,
        )

        def show(connection: Connection) -> bytes | Refusal:
            try:
                answer = key_answer(connection, asked)
            except UnknownKeyError:
                return Refusal(RefusalReason.NOT_FOUND, "key")
            except TooMuchError as error:
                return Refusal(RefusalReason.MALFORMED, str(error))
            return pb.GetKeyHistoryResponse(answer=answer).SerializeToString()

        answer = await self._calls.read(request, context, "GetKeyHistory", ANY_ROLE, show)
        return pb.GetKeyHistoryResponse.FromString(answer)

    async def GetCoverage(  # noqa: N802
        self, request: pb.GetCoverageRequest, context: _Context
    ) -> pb.GetCoverageResponse:
        """Hosts and days; see the .proto."""
        now = clock.to_micros(clock.now())
        until = min(now, now if (end := _micros(request, "until")) is None else end)
        since = _micros(request, "since")

        def show(connection: Connection) -> bytes | Refusal:
            start = until - 1 if since is None else since
            try:
                days = coverage_of(connection, request.hosts, start, until)
            except TooMuchError as error:
                return Refusal(RefusalReason.MALFORMED, str(error))
            shown = [
                pb.HostDay(
                    host=one.host,
                    date=one.date,
                    day=DAYS.number(one.day),
                    enforcing_hours=one.enforcing_hours,
                    not_enforcing_hours=one.not_enforcing_hours,
                    unknown_hours=one.unknown_hours,
                )
                for one in days
            ]
            return pb.GetCoverageResponse(days=shown).SerializeToString()

        answer = await self._calls.read(request, context, "GetCoverage", ANY_ROLE, show)
        return pb.GetCoverageResponse.FromString(answer)

    async def ProveEntry(  # noqa: N802
        self, request: pb.ProveEntryRequest, context: _Context
    ) -> pb.ProveEntryResponse:
        """An entry with its proof; see the .proto."""

        def show(connection: Connection) -> bytes | Refusal:
            try:
                proof = stored.prove(connection, min(request.index, _LARGEST), self._key)
            except LookupError:
                return Refusal(RefusalReason.NOT_FOUND, "a checkpoint that covers the entry")
            raw = json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()
            return pb.ProveEntryResponse(proof=raw).SerializeToString()

        answer = await self._calls.read(request, context, "ProveEntry", ANY_ROLE, show)
        return pb.ProveEntryResponse.FromString(answer)

    async def GetRetention(  # noqa: N802
        self, request: pb.GetRetentionRequest, context: _Context
    ) -> pb.GetRetentionResponse:
        """Periods and holds; see the .proto."""

        def show(connection: Connection) -> bytes:
            return retention_message(connection, self._settings).SerializeToString()

        answer = await self._calls.read(request, context, "GetRetention", ANY_ROLE, show)
        return pb.GetRetentionResponse.FromString(answer)


def retention_message(
    connection: Connection, settings: ControllerSettings
) -> pb.GetRetentionResponse:
    """How long what is kept, what is held, and which time was believed last."""
    decided = expiry.decided_periods(connection)
    days = periods(settings.retention, decided, second_person=settings.second_person)
    message = pb.GetRetentionResponse()
    for kept, number in days.items():
        message.periods.add(kept_class=kept.value, days=number)
    for row in holds.listed(connection, MOST_HOLDS):
        message.holds.add(
            subject=str(row["subject"]),
            value=str(row["value"]),
            place_time=timestamp(clock.from_micros(int(row["placed_at"]))),
            change_id=str(row["placed_by"]),
        )
    latest = trust.believed(connection)
    if latest is not None:
        message.believed_time.CopyFrom(timestamp(latest))
    return message


def _wanted(request: pb.SearchLedgerRequest) -> Wanted:
    return Wanted(
        host=request.host,
        zone=request.zone,
        kind=request.kind,
        transfer=request.transfer_id,
        fingerprint=request.fingerprint,
        sha256=request.sha256,
        person=request.person_id,
        since=_micros(request, "since"),
        until=_micros(request, "until"),
        before=min(request.before, _LARGEST) if request.HasField("before") else None,
    )


def _micros(request: Any, field: str) -> int | None:
    """The time in a field of a request that may not be valid; None when it is absent."""
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    return min(max(stamp.seconds * 1_000_000 + stamp.nanos // 1000, 0), _LATEST)


def _entry(found: Found) -> pb.LedgerEntry:
    message = pb.LedgerEntry(
        index=found.index,
        entry=found.entry,
        leaf_hash=found.leaf_hash,
        kind=found.kind or "",
        host=found.host or "",
        zone=found.zone or "",
        transfer_id=found.transfer_id or "",
        person_id=found.person or "",
    )
    if found.at is not None:
        message.time.CopyFrom(timestamp(clock.from_micros(found.at)))
    return message


def entry_from_wire(message: pb.LedgerEntry) -> Found:
    """The entry that a page shows."""
    return Found(
        index=message.index,
        entry=message.entry,
        leaf_hash=message.leaf_hash,
        kind=message.kind or None,
        at=message.time.ToMicroseconds() if message.HasField("time") else None,
        host=message.host or None,
        zone=message.zone or None,
        transfer_id=message.transfer_id or None,
        person=message.person_id or None,
    )
