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
from lockgate.agent.uplink.identity import Credentials, CredentialsError
from lockgate.agent.uplink.spool import Record, RecordKind, Spool, SpoolFull
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
#: The controller will never take these; saying them again would change nothing.
_REFUSED = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS})
#: Statuses and reasons (RESOURCE_EXHAUSTED has several) that asking again soon will not change.
_PROMPT_HOLDS = {
    grpc.StatusCode.UNAUTHENTICATED: HoldReason.CERTIFICATE,
    grpc.StatusCode.PERMISSION_DENIED: HoldReason.CERTIFICATE,
}
_REASON_KEY = "lockgate-reason"
_PROMPT_HOLDS_BY_REASON = {"store-full": HoldReason.STORE_FULL}
_IN_FLIGHT = 32
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
#: Part of the spool that questions may not use, so that receipts of what was decided fit.
_RECEIPT_SHARE = 8


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Times in seconds, sizes in bytes."""

    host: str
    state_dir: Path
    answer_within_s: float = 5.0
    spool_bytes: int = 256 << 20


@dataclass(slots=True)
class _Question:
    job: int
    transfer: Transfer
    report: Report
    deadline: float
    answers: Mailbox[tuple[int, Decision]]


@dataclass(slots=True)
class _Unsent:
    """A message on its way: in the spool, not acknowledged."""

    record: Record
    message: Any
    question: _Question | None = None
    attempts: int = 0
    next_try: float = 0.0
    in_flight: bool = False


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
        self._unsent: dict[int, _Unsent] = {}
        self._channel: grpc.Channel | None = None
        self._generation = -1
        self._reached = False
        self._pause_until = 0.0
        self._closing = False
        self.counts: Counter[str] = Counter()
        for record in spool.pending():
            message = _MESSAGES[record.kind].FromString(record.payload)
            self._unsent[record.number] = _Unsent(record, message)
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
        self._events.put(_Question(job, transfer, report, deadline, to))

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
            **self.counts,
        }

    def weaknesses(self) -> tuple[str, ...]:
        """Why files cannot be decided now, for status; empty: nothing is known against it."""
        if self._credentials.expired():
            return ("the agent's certificate is not valid now",)
        if self._unsent and not self._reached:
            return ("the controller does not take what it is told; new files are held",)
        return ()

    def close(self) -> None:
        """Write what waits into the spool, then stop; what was not said is said next time."""
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
            self._send_due()
        self._hang_up()
        self._spool.close()
        self._journal.close()

    def _next_events(self) -> list[Any]:
        with contextlib.suppress(queue.Empty):
            batch = [self._events.get(timeout=self._patience())]
            while not self._events.empty() and len(batch) < 1024:
                batch.append(self._events.get())
            return batch
        return []

    def _patience(self) -> float:
        now = time.monotonic()
        times = [now + 1.0]
        for unsent in self._unsent.values():
            if unsent.question:
                times.append(unsent.question.deadline)
            if not unsent.in_flight:
                times.append(max(unsent.next_try, now + 0.02))
        return max(0.0, min(times) - now)

    def _take_in(self, batch: list[Any]) -> None:
        """Spool the new, acknowledge the told, sync once, and only then speak."""
        fresh: list[_Unsent] = []
        entries: list[dict[str, Any]] = []
        for event in batch:
            match event:
                case _Question():
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

    def _keep_question(self, question: _Question, fresh: list[_Unsent]) -> None:
        transfer = question.transfer
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
        fresh: list[_Unsent],
        question: _Question | None = None,
        reserve: int = 0,
    ) -> bool:
        message.request_id = uuid7()
        message.sequence = self._spool.next_number
        try:
            record = self._spool.append(kind, message.SerializeToString(), reserve=reserve)
        except SpoolFull:
            self.counts["dropped"] += 1
            return False
        unsent = _Unsent(record, message, question)
        self._unsent[record.number] = unsent
        fresh.append(unsent)
        return True

    def _unsafe(self, fresh: list[_Unsent]) -> None:
        """The disk refused to make these durable: hold what they ask about."""
        for unsent in fresh:
            if unsent.question:
                self._answer(unsent.question, hold(HoldReason.SPOOL_FULL))
                unsent.question = None

    def _answer(self, question: _Question, decision: Decision) -> None:
        question.answers.put((question.job, decision))
        with contextlib.suppress(OSError):
            entry = lines.decision_line(question.transfer, question.report, decision)
            self._journal.append([entry], durable=False)

    def _give_up_late_questions(self) -> None:
        now = time.monotonic()
        for unsent in self._unsent.values():
            if unsent.question and now >= unsent.question.deadline:
                question, unsent.question = unsent.question, None
                reason = HoldReason.CONTROLLER_UNREACHABLE
                self._answer(question, hold(self._own_fault() or reason))

    def _own_fault(self) -> HoldReason | None:
        return HoldReason.CERTIFICATE if self._credentials.expired() else None

    def _renew(self) -> None:
        if self._credentials.generation != self._generation or self._credentials.expired():
            self._hang_up()
        self._credentials.renew_if_due()

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _send_due(self) -> None:
        """Questions of openers that wait go first and at once; the rest in order."""
        now = time.monotonic()
        due = [u for u in self._unsent.values() if not u.in_flight and u.next_try <= now]
        due.sort(key=lambda u: (u.question is None, u.record.number))
        room = _IN_FLIGHT - sum(u.in_flight for u in self._unsent.values())
        for unsent in due:
            if unsent.question is None and (room <= 0 or now < self._pause_until):
                continue
            room -= 1
            self._send(unsent)

    def _send(self, unsent: _Unsent) -> None:
        unsent.attempts += 1
        if unsent.question and (fault := self._own_fault()):
            self._answer(unsent.question, hold(fault))
            unsent.question = None
        try:
            stub = self._stub()
        except CredentialsError:
            self._postpone(unsent)
            return
        ask = {
            RecordKind.VERDICT_REQUEST: stub.RequestVerdict,
            RecordKind.ENFORCEMENT: stub.ReportEnforcement,
            RecordKind.GUARD: stub.ReportGuard,
        }[unsent.record.kind]
        unsent.in_flight = True
        number = unsent.record.number
        call = ask.future(unsent.message, timeout=self._settings.answer_within_s)
        call.add_done_callback(lambda done: self._events.put(_Told(number, done)))

    def _stub(self) -> Any:
        if self._channel is None:
            self._generation = self._credentials.generation
            self._channel = self._credentials.connect()
        return decision_pb2_grpc.DecisionServiceStub(self._channel)

    def _told(self, told: _Told, entries: list[dict[str, Any]]) -> None:
        unsent = self._unsent.get(told.number)
        if unsent is None:
            return
        unsent.in_flight = False
        code = told.call.code()
        if code is grpc.StatusCode.OK:
            self._note_reached()
            self._accepted(unsent, told.call.result())
        elif code in _REFUSED:
            self._refused(unsent, entries)
        else:
            self._failed(unsent, told.call)

    def _note_reached(self) -> None:
        """Whoever is back hears everything now, not when the longest pause is over."""
        if self._reached:
            return
        self._reached = True
        self._pause_until = 0.0
        for unsent in self._unsent.values():
            unsent.next_try = 0.0

    def _accepted(self, unsent: _Unsent, response: Any) -> None:
        if isinstance(response, pb.RequestVerdictResponse):
            decision = _decision_of(response)
            if decision.verdict is Verdict.ALLOW and response.passport:
                self._store_passport(unsent.message.report.sha256, response.passport)
            if unsent.question:
                self._answer(unsent.question, decision)
        self._done(unsent)

    def _refused(self, unsent: _Unsent, entries: list[dict[str, Any]]) -> None:
        """The controller will never take it: kept in the journal, not said again."""
        self.counts["refused"] += 1
        kind = unsent.record.kind.name.lower().replace("_", "-")
        request_id = unsent.message.request_id
        entries.append({"event": "refused", "kind": kind, "request_id": request_id})
        if unsent.question:
            self._answer(unsent.question, hold(HoldReason.UNKNOWN_VALUE))
        self._done(unsent)

    def _failed(self, unsent: _Unsent, call: Any) -> None:
        self._reached = False
        reason = _prompt_hold(call)
        if unsent.question and reason:
            self._answer(unsent.question, hold(reason))
            unsent.question = None
        self._postpone(unsent)

    def _postpone(self, unsent: _Unsent) -> None:
        pause = min(_FIRST_PAUSE_S * 2 ** min(unsent.attempts, 10), _LONGEST_PAUSE_S)
        now = time.monotonic()
        if unsent.question:
            pause = _FIRST_PAUSE_S
        else:
            self._pause_until = max(self._pause_until, now + min(pause, 2.0))
        unsent.next_try = now + pause

    def _done(self, unsent: _Unsent) -> None:
        del self._unsent[unsent.record.number]
        with contextlib.suppress(SpoolFull):  # then it is said again, with the same request_id
            self._spool.acknowledge(unsent.record.number)

    def _store_passport(self, sha256: str, envelope: bytes) -> None:
        folder = self._settings.state_dir / "passports"
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = folder / f".{sha256}.new"
            fresh.write_bytes(envelope)
            fresh.replace(folder / f"{sha256}.json")


def _prompt_hold(call: Any) -> HoldReason | None:
    """Why a refused question need not be asked again before its deadline; None: it may help."""
    said = dict(call.trailing_metadata() or ()).get(_REASON_KEY, "")
    return _PROMPT_HOLDS_BY_REASON.get(said) or _PROMPT_HOLDS.get(call.code())


def _decision_of(response: pb.RequestVerdictResponse) -> Decision:
    """The decision in an answer; whatever cannot be understood is a HOLD."""
    try:
        return convert.decision_from_wire(response.decision)
    except ValueError:
        return hold(HoldReason.UNKNOWN_VALUE)
