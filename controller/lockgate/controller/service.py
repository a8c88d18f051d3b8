"""DecisionService: what agents ask and say, over mTLS.

Rules enforced here:

1. The policy decides in a pure function; this module only brings it what it needs and writes
   down what it said.
2. An agent speaks for its own host only, and about transfers of its own host only.
3. A passport is given for an ALLOW of a clean report and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import grpc
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from lockgate.controller import clock, records
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.identity.peers import Peer
from lockgate.controller.incidents import is_canary
from lockgate.controller.metrics import Tally
from lockgate.controller.records import Decided, Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.registry import ProtectedKeys
from lockgate.policy import Policy, decide
from lockgate.scan.names import escape_name
from lockgate.scan.report import Outcome, Report
from lockgate.v1 import decision_pb2 as pb
from lockgate.v1 import decision_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.passport import sign
from lockgate.wire.transfer import Decision, Transfer, Verdict

T = TypeVar("T")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gate:
    """What decisions are made with."""

    policy: Policy
    protected: ProtectedKeys
    passport_key: Ed25519PrivateKey
    receipt_due: timedelta


class DecisionService(decision_pb2_grpc.DecisionServiceServicer):
    """The servicer; one instance serves all agents."""

    def __init__(self, calls: Calls, ledger: Ledger, gate: Gate, tally: Tally) -> None:
        self._calls = calls
        self._ledger = ledger
        self._gate = gate
        self._tally = tally

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
        report = self._gate.protected.apply(seen)
        now = clock.now()
        decision = decide(report, transfer, self._gate.policy, now)
        envelope = self._passport(report, transfer, decision, now)
        decided = Decided(
            request_id=request.request_id,
            transfer=transfer,
            report=report,
            report_message=request.report.SerializeToString(),
            decision=decision,
            now=now,
            receipt_due=self._gate.receipt_due,
        )

        def work(connection: Connection) -> bytes | Refusal:
            if records.transfer_host(connection, transfer.transfer_id) not in {None, peer.host}:
                return Refusal(RefusalReason.WRONG_HOST)
            index = records.record_verdict(connection, self._ledger, decided)
            message = convert.decision_to_wire(decision)
            response = pb.RequestVerdictResponse(
                decision=message, ledger_index=index, passport=envelope
            )
            return response.SerializeToString()

        answer = await self._calls.from_agent(peer, request, now, work)
        if not isinstance(answer, Refusal):
            self._tally.add("lockgate_verdicts_total", decision.verdict.value)
            if is_canary(report):
                self._tally.add("lockgate_canaries_total", peer.host)
        return answer

    def _passport(
        self, report: Report, transfer: Transfer, decision: Decision, now: datetime
    ) -> bytes:
        if decision.verdict is not Verdict.ALLOW or report.outcome is not Outcome.CLEAN:
            return b""
        return sign(report, transfer, decision, self._gate.passport_key, now)

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
