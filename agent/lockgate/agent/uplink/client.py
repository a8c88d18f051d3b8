"""Asking the controller, and telling it everything, once and in the end.

Rules enforced here:

1. Whatever is said is in the spool first, synced; whatever was not acknowledged is said again,
   with the same request_id and number, also after a restart.
2. Every question is answered to the guard within ``answer_within_s``: by the controller's
   decision, else by a HOLD whose reason says what is wrong.
3. An answer that comes too late, or again, is acknowledged and changes nothing.
4. The guard's thread only puts into a queue; this thread syncs, sends and waits.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.uplink.answers import (
    REFUSED,
    decision_of,
    late_hold,
    prompt_hold,
    retry_after_s,
)
from lockgate.agent.uplink.connection import Connection
from lockgate.agent.uplink.identity import Credentials, CredentialsError
from lockgate.agent.uplink.spool import RecordKind, Spool, SpoolFull
from lockgate.agent.uplink.stream import Stream, StreamSettings
from lockgate.agent.uplink.unsent import Question, Unsent, UnsentMessages
from lockgate.agent.verdicts import journal as lines
from lockgate.agent.verdicts.accounts import Accounts
from lockgate.agent.verdicts.journal import Journal
from lockgate.scan.report import Report
from lockgate.v1 import decision_pb2 as pb
from lockgate.v1 import decision_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Decision,
    GuardChange,
    HoldReason,
    Receipt,
    Transfer,
    Verdict,
    Zone,
    hold,
)

_MESSAGES: dict[RecordKind, type[Any]] = {
    RecordKind.VERDICT_REQUEST: pb.RequestVerdictRequest,
    RecordKind.ENFORCEMENT: pb.ReportEnforcementRequest,
    RecordKind.GUARD: pb.ReportGuardRequest,
}
#: Part of the spool that questions may not use, so that receipts of what was decided fit.
_RECEIPT_SHARE = 8


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Times in seconds, sizes in bytes."""

    host: str
    state_dir: Path
    answer_within_s: float = 5.0
    spool_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class _Told:
    number: int
    call: Any = field(repr=False)


class ControllerDecider:
    """Implements :class:`lockgate.agent.ports.Decider` over mTLS."""

    def __init__(
        self,
        settings: ClientSettings,
        credentials: Credentials,
        spool: Spool,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._spool = spool
        self._journal = journal
        self._accounts = Accounts()
        self._decisions: Mailbox[tuple[int, Decision]] = Mailbox()
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._unsent = UnsentMessages()
        self.connection = Connection(credentials, settings.answer_within_s)
        self._reached = False
        self._closing = False
        self.counts: Counter[str] = Counter()
        self._stream: Stream | None = None
        for record in spool.pending():
            message = _MESSAGES[record.kind].FromString(record.payload)
            self._unsent.add(Unsent(record, message))
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """The name under which this host is enrolled."""
        return self._settings.host

    def fileno(self) -> int:
        """See :class:`lockgate.agent.ports.Decider`."""
        return self._decisions.fileno()

    def request(
        self,
        job: int,
        transfer: Transfer,
        report: Report,
        answers: Mailbox[tuple[int, Decision]] | None = None,
    ) -> None:
        """Ask the controller in the background.

        ``answers``: where one who is not the guard hears of the decision.
        """
        deadline = time.monotonic() + self._settings.answer_within_s
        to = answers or self._decisions
        self._events.put(Question(job, transfer, report, deadline, to))

    def collect(self) -> list[tuple[int, Decision]]:
        """Decisions that came since the last call."""
        return self._decisions.collect()

    def record(self, receipt: Receipt) -> None:
        """Report what was done, now or when the controller is back."""
        self._events.put(receipt)

    def guard_changed(self, zone: Zone, change: GuardChange, detail: str) -> None:
        """Report that a guard was put on or taken off."""
        request = pb.ReportGuardRequest(
            zone=convert.zone_to_wire(zone),
            host=self._settings.host,
            change=convert.guard_change_to_wire(change),
            detail=detail,
        )
        self._events.put((lines.guard_line(zone, change, detail), request))

    @property
    def waiting(self) -> int:
        """How many messages the controller has not acknowledged."""
        return len(self._unsent)

    def open_stream(self, settings: StreamSettings) -> None:
        """Keep a stream to the controller open from now on, beside the calls."""
        self._stream = Stream(self.connection, settings)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was said so far is durable here; False when that took too long."""
        settled = threading.Event()
        self._events.put(settled)
        return settled.wait(timeout_s)

    def status(self) -> dict[str, Any]:
        """What ``lockgate agent status`` shows of the controller."""
        return {
            "reached": self._reached,
            "waiting": len(self._unsent),
            "spool_bytes": self._spool.bytes_used,
            "spool_torn_bytes": self._spool.torn_bytes,
            "spool_damaged_bytes": self._spool.damaged_bytes,
            "certificate_until": self._credentials.not_after.isoformat(),
            "stream": self._stream.status() if self._stream else None,
            **self.counts,
        }

    def weaknesses(self) -> tuple[str, ...]:
        """Why files cannot be decided now, for status; empty: nothing is known against it."""
        if self._credentials.expired():
            why = self._credentials.trouble
            renewal = (f"the certificate cannot be renewed: {why}",) if why else ()
            return ("the agent's certificate is not valid now", *renewal)
        refused = self._stream.weaknesses() if self._stream else ()
        if self._unsent and not self._reached:
            return (
                *refused,
                "the controller does not take what it is told; new files are held",
            )
        return refused

    def close(self) -> None:
        """Write what waits into the spool, then stop; what was not said is said next time."""
        if self._stream is not None:
            self._stream.close()
        self._closing = True
        self._events.put(None)
        self._thread.join(timeout=10)
        self._decisions.close()

    # The client's thread

    def _run(self) -> None:
        while True:
            batch = self._next_events()
            closing = self._closing
            self._take_in(batch)
            if closing:
                break
            self._give_up_late_questions()
            self._renew()
            for unsent in self._unsent.due(time.monotonic()):
                self._send(unsent)
        self.connection.close()
        self._spool.close()
        self._journal.close()

    def _next_events(self) -> list[Any]:
        with contextlib.suppress(queue.Empty):
            patience = self._unsent.patience(time.monotonic())
            batch = [self._events.get(timeout=patience)]
            while not self._events.empty() and len(batch) < 1024:
                batch.append(self._events.get())
            return batch
        return []

    def _take_in(self, batch: list[Any]) -> None:
        """Spool the new, acknowledge the told, sync once, and only then speak."""
        fresh: list[Unsent] = []
        entries: list[dict[str, Any]] = []
        for event in batch:
            match event:
                case Question():
                    self._keep_question(event, fresh)
                case Receipt(opener=opener):
                    receipt = replace(event, opener=self._accounts.named(opener))
                    wire = pb.ReportEnforcementRequest(receipt=convert.receipt_to_wire(receipt))
                    entries.append(lines.receipt_line(receipt))
                    self._keep(RecordKind.ENFORCEMENT, wire, fresh)
                case (dict() as entry, pb.ReportGuardRequest() as wire):
                    entries.append(entry)
                    self._keep(RecordKind.GUARD, wire, fresh)
                case _Told():
                    self._told(event, entries)
        try:
            self._spool.sync()
        except SpoolFull:
            self._unsafe(fresh)
        else:
            self._say_settled(batch)
        with contextlib.suppress(OSError):  # the journal is for people; the spool is the record
            if entries:
                self._journal.append(entries, durable=False)

    @staticmethod
    def _say_settled(batch: list[Any]) -> None:
        for event in batch:
            if isinstance(event, threading.Event):
                event.set()

    def _keep_question(self, question: Question, fresh: list[Unsent]) -> None:
        transfer = question.transfer
        if self._stream is not None:
            self._stream.policy.rule_pack = question.report.engine.rule_pack
        opener = self._accounts.named(transfer.opener)
        question.transfer = replace(transfer, opener=opener)
        try:
            wire = pb.RequestVerdictRequest(
                transfer=convert.transfer_to_wire(question.transfer),
                report=convert.report_to_wire(question.report),
            )
        except (ValueError, TypeError):  # a worker gone wrong can report what no message holds
            self._answer(question, hold(HoldReason.UNKNOWN_VALUE))
            return
        reserve = self._settings.spool_bytes // _RECEIPT_SHARE
        if not self._keep(RecordKind.VERDICT_REQUEST, wire, fresh, question, reserve):
            self._answer(question, hold(HoldReason.SPOOL_FULL))

    def _keep(
        self,
        kind: RecordKind,
        message: Any,
        fresh: list[Unsent],
        question: Question | None = None,
        reserve: int = 0,
    ) -> bool:
        message.request_id = uuid7()
        message.sequence = self._spool.next_number
        try:
            record = self._spool.append(kind, message.SerializeToString(), reserve=reserve)
        except SpoolFull:
            self.counts["dropped"] += 1
            return False
        unsent = Unsent(record, message, question)
        self._unsent.add(unsent)
        fresh.append(unsent)
        return True

    def _unsafe(self, fresh: list[Unsent]) -> None:
        """The disk refused to make these durable: hold what they ask about."""
        for unsent in fresh:
            if unsent.question:
                self._answer(unsent.question, hold(HoldReason.SPOOL_FULL))
                unsent.question = None

    def _answer(self, question: Question, decision: Decision) -> None:
        question.answers.put((question.job, decision))
        with contextlib.suppress(OSError):
            entry = lines.decision_line(question.transfer, question.report, decision)
            self._journal.append([entry], durable=False)

    def _give_up_late_questions(self) -> None:
        for unsent, question in self._unsent.late(time.monotonic()):
            unsent.question = None
            self._answer(question, hold(self._own_fault() or unsent.late_reason))

    def _own_fault(self) -> HoldReason | None:
        return HoldReason.CERTIFICATE if self._credentials.expired() else None

    def _renew(self) -> None:
        self.connection.refresh()
        self._credentials.renew_if_due()

    def _send(self, unsent: Unsent) -> None:
        unsent.attempts += 1
        if unsent.question and (fault := self._own_fault()):
            self._answer(unsent.question, hold(fault))
            unsent.question = None
        try:
            stub: Any = decision_pb2_grpc.DecisionServiceStub(self.connection.channel())
        except (CredentialsError, OSError, ValueError):  # no descriptor, or the channel was closed
            self._unsent.postpone(unsent, time.monotonic())
            return
        ask = {
            RecordKind.VERDICT_REQUEST: stub.RequestVerdict,
            RecordKind.ENFORCEMENT: stub.ReportEnforcement,
            RecordKind.GUARD: stub.ReportGuard,
        }[unsent.record.kind]
        number = unsent.record.number
        try:
            call = ask.future(unsent.message, timeout=self._settings.answer_within_s)
        except ValueError:  # the channel was closed between our asking and calling
            self._unsent.postpone(unsent, time.monotonic())
            return
        unsent.in_flight = True
        call.add_done_callback(lambda done: self._events.put(_Told(number, done)))

    def _told(self, told: _Told, entries: list[dict[str, Any]]) -> None:
        unsent = self._unsent.find(told.number)
        if unsent is None:
            return
        unsent.in_flight = False
        code = told.call.code()
        if code is grpc.StatusCode.OK:
            self._note_reached()
            self._accepted(unsent, told.call.result())
        elif code in REFUSED:
            self._refused(unsent, entries)
        else:
            self._failed(unsent, told.call)

    def _note_reached(self) -> None:
        """Whoever is back hears everything now, not when the longest pause is over."""
        if not self._reached:
            self._reached = True
            self._unsent.hurry()

    def _accepted(self, unsent: Unsent, response: Any) -> None:
        if isinstance(response, pb.RequestVerdictResponse):
            decision = decision_of(response)
            if decision.verdict is Verdict.ALLOW and response.passport:
                self._store_passport(unsent.message.report.sha256, response.passport)
            if unsent.question:
                self._answer(unsent.question, decision)
        self._done(unsent)

    def _refused(self, unsent: Unsent, entries: list[dict[str, Any]]) -> None:
        """The controller will never take it: kept in the journal, not said again."""
        self.counts["refused"] += 1
        kind = unsent.record.kind.name.lower().replace("_", "-")
        request_id = unsent.message.request_id
        entries.append({"event": "refused", "kind": kind, "request_id": request_id})
        if unsent.question:
            self._answer(unsent.question, hold(HoldReason.UNKNOWN_VALUE))
        self._done(unsent)

    def _failed(self, unsent: Unsent, call: Any) -> None:
        self._reached = False
        reason = prompt_hold(call)
        if unsent.question and reason:
            self._answer(unsent.question, hold(reason))
            unsent.question = None
        unsent.late_reason = late_hold(call)
        self._unsent.postpone(unsent, time.monotonic(), retry_after_s(call))

    def _done(self, unsent: Unsent) -> None:
        self._unsent.remove(unsent)
        with contextlib.suppress(SpoolFull):  # then it is said again, with the same request_id
            self._spool.acknowledge(unsent.record.number)

    def _store_passport(self, sha256: str, envelope: bytes) -> None:
        folder = self._settings.state_dir / "passports"
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = folder / f".{sha256}.new"
            fresh.write_bytes(envelope)
            fresh.replace(folder / f"{sha256}.json")
