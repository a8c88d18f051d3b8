"""DecisionService: what agents ask and say, over mTLS.

Rules enforced here:

1. The policy decides in a pure function; this module only brings it what it needs and writes
   down what it said.
2. An agent speaks for its own host only, and about transfers of its own host only.
3. A passport is given for an ALLOW of a clean report and nothing else (``passports.issuing``).
4. What people released is allowed in the unit of work that writes the decision down, and only
   there (``lockgate.controller.release.effects``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import grpc
import structlog
from sqlalchemy import Connection

from lockgate.controller import clock, records
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.hooks.settings import Hooks
from lockgate.controller.identity.peers import Peer
from lockgate.controller.incidents.sightings import is_canary
from lockgate.controller.known_keys import KnownKeys, LiveKeys
from lockgate.controller.metrics import Tally
from lockgate.controller.passports.issuing import Issuer
from lockgate.controller.policies.live import LivePolicies
from lockgate.controller.records import Decided, Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release.effects import Effects
from lockgate.controller.release.looking import look
from lockgate.controller.response import KeysSeen
from lockgate.policy import decide
from lockgate.scan.names import escape_name
from lockgate.scan.report import Report
from lockgate.v1 import decision_pb2 as pb
from lockgate.v1 import decision_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.transfer import Decision, Transfer

T = TypeVar("T")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gate:
    """What decisions are made with."""

    policies: LivePolicies
    keys: LiveKeys
    hooks: Hooks
    passports: Issuer
    receipt_due: timedelta

    def judge(self, seen: Report, transfer: Transfer, now: datetime) -> Judged:
        """What registry, rulings and policy in force make of what an agent saw."""
        known = self.keys.current
        report = known.protected.apply(seen)
        triaged = known.rulings.apply(report, now)
        policy = self.policies.current.of_host(transfer.host)
        decision = triaged.bound(decide(triaged.report, transfer, policy, now))
        return Judged(report, decision, known, triaged.fingerprints)


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision of the policy, and what it was made on; ``ruled``: keys that were triaged."""

    report: Report
    decision: Decision
    known: KnownKeys
    ruled: frozenset[str]


class DecisionService(decision_pb2_grpc.DecisionServiceServicer):
    """The servicer; one instance serves all agents."""

    def __init__(self, calls: Calls, ledger: Ledger, gate: Gate, tally: Tally) -> None:
        self._calls = calls
        self._ledger = ledger
        self._gate = gate
        self._tally = tally
        self._releases = Effects(ledger)

    async def RequestVerdict(  # noqa: N802  (the name is the contract's)
        self, request: pb.RequestVerdictRequest, context: _Context
    ) -> pb.RequestVerdictResponse:
        """Decide one transfer; see the .proto."""
        answer = await self._answer(request, context, "RequestVerdict", self._verdict)
        return pb.RequestVerdictResponse.FromString(answer)

    async def ReportEnforcement(  # noqa: N802
        self, request: pb.ReportEnforcementRequest, context: _Context
    ) -> pb.ReportEnforcementResponse:
        """Record what the agent did; see the .proto."""
        answer = await self._answer(request, context, "ReportEnforcement", self._receipt)
        return pb.ReportEnforcementResponse.FromString(answer)

    async def ReportGuard(  # noqa: N802
        self, request: pb.ReportGuardRequest, context: _Context
    ) -> pb.ReportGuardResponse:
        """Record what became of a guard; see the .proto."""
        answer = await self._answer(request, context, "ReportGuard", self._guard)
        return pb.ReportGuardResponse.FromString(answer)

    async def _answer(
        self,
        request: T,
        context: _Context,
        name: str,
        serve: Callable[[T, Peer], Awaitable[bytes | Refusal]],
    ) -> bytes:
        peer = self._calls.identify(context)
        host = peer.host if isinstance(peer, Peer) else ""
        refusal = peer if isinstance(peer, Refusal) else violations_of(request)
        answer: bytes | Refusal = refusal or b""
        if isinstance(peer, Peer) and refusal is None:
            answer = await _guarded(serve(request, peer), name)
        if isinstance(answer, Refusal):
            await self._calls.refuse(answer, context, name, host)
        return answer

    async def _verdict(self, request: pb.RequestVerdictRequest, peer: Peer) -> bytes | Refusal:
        if request.transfer.host != peer.host:
            return Refusal(RefusalReason.WRONG_HOST)
        transfer = convert.transfer_from_wire(request.transfer)
        seen = convert.report_from_wire(request.report, transfer.path)
        now = clock.now()
        judged = self._gate.judge(seen, transfer, now)
        report, decision = judged.report, judged.decision
        envelope = self._gate.passports.write(report, transfer, decision, now)
        decided = Decided(
            request_id=request.request_id,
            transfer=transfer,
            report=report,
            report_message=request.report.SerializeToString(),
            decision=decision,
            now=now,
            receipt_due=self._gate.receipt_due,
            keys=self._keys_seen(report, transfer, judged.known, judged.ruled),
        )

        told = decision

        def work(connection: Connection) -> bytes | Refusal:
            looked = look(connection, transfer, report.sha256)
            if looked.host not in {None, peer.host}:
                return Refusal(RefusalReason.WRONG_HOST)
            about = (transfer, report, decision)
            nonlocal told
            told = given = self._releases.on_verdict(connection, *about, looked, now)
            made = replace(decided, decision=given)
            index = records.record_verdict(connection, self._ledger, made)
            self._releases.after_verdict(connection, made, looked, index)
            message = convert.decision_to_wire(given)
            response = pb.RequestVerdictResponse(
                decision=message,
                ledger_index=index,
                passport=self._gate.passports.given(connection, envelope, transfer, given),
            )
            return response.SerializeToString()

        answer = await self._calls.from_agent(peer, request, now, work)
        if not isinstance(answer, Refusal):
            self._tally.add("lockgate_verdicts_total", told.verdict.value)
            if is_canary(report):
                self._tally.add("lockgate_canaries_total", peer.host)
        return answer

    def _keys_seen(
        self, report: Report, transfer: Transfer, known: KnownKeys, ruled: frozenset[str]
    ) -> KeysSeen:
        return KeysSeen(
            ruled=ruled,
            misplaced=known.protected.misplaced(report, transfer.zone.name),
            hooks=self._gate.hooks.chosen(report.findings, known.protected),
        )

    async def _receipt(self, request: pb.ReportEnforcementRequest, peer: Peer) -> bytes | Refusal:
        done = convert.receipt_from_wire(request.receipt)
        now = clock.now()

        def work(connection: Connection) -> bytes | Refusal:
            if records.transfer_host(connection, done.transfer_id) not in {None, peer.host}:
                return Refusal(RefusalReason.WRONG_HOST)
            index = records.record_receipt(
                connection,
                self._ledger,
                done,
                host=peer.host,
                request_id=request.request_id,
                now=now,
            )
            self._releases.on_receipt(connection, done, peer.host, now)
            return pb.ReportEnforcementResponse(ledger_index=index).SerializeToString()

        answer = await self._calls.from_agent(peer, request, now, work)
        if not isinstance(answer, Refusal):
            self._tally.add("lockgate_receipts_total", done.enforcement.value)
        return answer

    async def _guard(self, request: pb.ReportGuardRequest, peer: Peer) -> bytes | Refusal:
        if request.host != peer.host:
            return Refusal(RefusalReason.WRONG_HOST)
        change = convert.guard_change_from_wire(request.change)
        zone = convert.zone_from_wire(request.zone)
        detail = escape_name(request.detail)
        now = clock.now()

        def work(connection: Connection) -> bytes | Refusal:
            index = records.record_guard(
                connection,
                self._ledger,
                change,
                zone,
                host=peer.host,
                request_id=request.request_id,
                detail=detail,
                now=now,
            )
            where = (change, peer.host, zone.name)
            self._gate.passports.on_guard(connection, self._ledger, *where, now)
            return pb.ReportGuardResponse(ledger_index=index).SerializeToString()

        answer = await self._calls.from_agent(peer, request, now, work)
        if not isinstance(answer, Refusal):
            self._tally.add("lockgate_guard_changes_total", change.value)
        return answer


async def _guarded(answer: Awaitable[bytes | Refusal], name: str) -> bytes | Refusal:
    """The answer; a fault of ours becomes a refusal, and only the log sees it."""
    try:
        return await answer
    except convert.WireError as error:
        return Refusal(RefusalReason.MALFORMED, str(error))
    except Exception:
        log.exception("call failed", call=name)
        return Refusal(RefusalReason.INTERNAL)
