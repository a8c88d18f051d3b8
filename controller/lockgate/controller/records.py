"""What a decision, a receipt and a guard's change leave in the store, in one transaction each.

Rules enforced here:

1. Ledger entry, rows, incident and alert of one event are written through one connection in
   one transaction; the caller answers only after its commit.
2. A clean file that is allowed raises no alert, and neither does letting through what was
   allowed; a canary raises one only when it got out. Everything else that was decided or
   done does.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from lockgate.controller import entries, incidents, zones
from lockgate.controller.alerts import event, outbox
from lockgate.controller.clock import to_micros
from lockgate.controller.personal import Personal, personal
from lockgate.controller.store.schema import findings, receipts, verdicts
from lockgate.scan.report import FindingClass, Outcome, Report
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    GuardChange,
    Receipt,
    Transfer,
    Verdict,
    Zone,
)

#: The largest integer every database takes; a hostile size may be larger.
_LARGEST = 2**63 - 1


# Statements of the hot path are built once: building costs more than SQLite's work.
_NEW_VERDICT = insert(verdicts)
_NEW_FINDING = insert(findings)
_NEW_RECEIPT = insert(receipts)
_RECEIVED = (
    update(verdicts)
    .where(verdicts.c.transfer_id == bindparam("transfer"))
    .values(receipt_due_at=None)
)
_HOST = select(verdicts.c.host).where(verdicts.c.transfer_id == bindparam("transfer_id")).limit(1)
_KNOWN = select(
    exists().where(verdicts.c.transfer_id == bindparam("transfer_id"))
    | exists().where(receipts.c.transfer_id == bindparam("transfer_id"))
)
_FINDINGS = (
    select(findings.c.fingerprint, findings.c["class"])
    .join(verdicts, verdicts.c.ledger_index == findings.c.ledger_index)
    .where(verdicts.c.transfer_id == bindparam("transfer_id"))
    .order_by(findings.c.fingerprint)
)


class Ledger(Protocol):
    """The part of the ledger that writing needs."""

    def append(self, connection: Connection, entry: Any) -> int:
        """Append in the transaction of ``connection``; the entry's index."""
        ...


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision with everything that led to it."""

    request_id: str
    transfer: Transfer
    report: Report
    report_message: bytes
    decision: Decision
    now: datetime
    receipt_due: timedelta


def record_verdict(connection: Connection, ledger: Ledger, decided: Decided) -> int:
    """Write a decision; its ledger index."""
    transfer, report = decided.transfer, decided.report
    clear = personal(transfer.path, transfer.opener)
    entry = entries.verdict(
        transfer,
        report,
        decided.decision,
        request_id=decided.request_id,
        commitment=clear.commitment,
        now=decided.now,
    )
    index = ledger.append(connection, entry)
    connection.execute(_NEW_VERDICT, {"ledger_index": index, **_verdict_row(decided, clear)})
    if report.findings:
        connection.execute(_NEW_FINDING, _finding_rows(index, report))
        incidents.record(connection, report, to_micros(decided.now))
    if _tells_of_verdict(decided):
        alert = event.verdict_event(transfer, report, decided.decision, index, decided.now)
        outbox.put(connection, alert, index, to_micros(decided.now))
    return index


def record_receipt(
    connection: Connection,
    ledger: Ledger,
    done: Receipt,
    *,
    host: str,
    request_id: str,
    now: datetime,
) -> int:
    """Write what an agent did; its ledger index."""
    clear = personal(done.path, done.opener)
    entry = entries.receipt(
        done, host=host, request_id=request_id, commitment=clear.commitment, now=now
    )
    index = ledger.append(connection, entry)
    new = not connection.execute(_KNOWN, {"transfer_id": done.transfer_id}).scalar()
    connection.execute(_NEW_RECEIPT, {"ledger_index": index, **_receipt_row(done, host, clear)})
    connection.execute(_RECEIVED, {"transfer": done.transfer_id})
    if _tells_of_receipt(connection, done):
        found = _found(connection, done.transfer_id)
        alert = event.receipt_event(done, host, found, index, now, new=new)
        outbox.put(connection, alert, index, to_micros(now))
    return index


def record_guard(
    connection: Connection,
    ledger: Ledger,
    change: GuardChange,
    zone: Zone,
    *,
    host: str,
    request_id: str,
    detail: str,
    now: datetime,
) -> int:
    """Write what became of a guard; its ledger index."""
    entry = entries.guard(change, zone, host=host, request_id=request_id, detail=detail, now=now)
    index = ledger.append(connection, entry)
    micros = to_micros(now)
    zones.record(
        connection,
        change,
        host=host,
        zone=zone.name,
        detail=detail,
        ledger_index=index,
        micros=micros,
    )
    alert = event.guard_event(change, host, zone.name, detail, index, now)
    outbox.put(connection, alert, index, micros)
    return index


def record_overdue(connection: Connection, ledger: Ledger, now: datetime) -> int:
    """Write and alert every verdict whose receipt is overdue; how many there were."""
    overdue = connection.execute(
        select(verdicts).where(verdicts.c.receipt_due_at <= to_micros(now))
    ).all()
    for row in overdue:
        verdict = Verdict(row.verdict)
        entry = entries.overdue(row.transfer_id, row.host, row.ledger_index, verdict, now)
        index = ledger.append(connection, entry)
        alert = event.overdue_event(row.transfer_id, row.host, index, verdict, now)
        outbox.put(connection, alert, index, to_micros(now))
        connection.execute(
            update(verdicts)
            .where(verdicts.c.ledger_index == row.ledger_index)
            .values(receipt_due_at=None)
        )
    return len(overdue)


def transfer_host(connection: Connection, transfer_id: str) -> str | None:
    """The host a transfer belongs to; None when it was never decided here."""
    return connection.execute(_HOST, {"transfer_id": transfer_id}).scalar()


def _found(connection: Connection, transfer_id: str) -> dict[str, FindingClass]:
    """The keys in the file of a transfer; none when it was never decided here."""
    rows = connection.execute(_FINDINGS, {"transfer_id": transfer_id})
    return {fingerprint: FindingClass(class_) for fingerprint, class_ in rows}


def _tells_of_verdict(decided: Decided) -> bool:
    quiet = decided.decision.verdict is Verdict.ALLOW and decided.report.outcome is Outcome.CLEAN
    no_findings = not decided.report.findings
    return not incidents.is_canary(decided.report) and not (quiet and no_findings)


def _tells_of_receipt(connection: Connection, done: Receipt) -> bool:
    let_through = done.enforcement in {Enforcement.ALLOWED, Enforcement.NOT_ENFORCED}
    if done.verdict is Verdict.ALLOW and let_through:
        return False
    stopped = done.enforcement in {Enforcement.DENIED, Enforcement.QUARANTINED}
    canary = select(verdicts.c.canary).where(verdicts.c.transfer_id == done.transfer_id).limit(1)
    return not (stopped and connection.execute(canary).scalar())


def _verdict_row(decided: Decided, clear: Personal) -> dict[str, Any]:
    transfer, report, decision = decided.transfer, decided.report, decided.decision
    return {
        "transfer_id": transfer.transfer_id,
        "host": transfer.host,
        "zone": transfer.zone.name,
        "zone_signing": transfer.zone.signing,
        "boundary": transfer.boundary.value,
        "identity": json.dumps(dataclasses.asdict(transfer.identity)),
        "attempted_at": to_micros(transfer.attempt_time),
        "decided_at": to_micros(decided.now),
        **_personal_columns(clear),
        "sha256": report.sha256,
        "size": min(report.size, _LARGEST),
        "outcome": report.outcome.value,
        "report": decided.report_message,
        "verdict": decision.verdict.value,
        "hold_reason": None if decision.hold_reason is None else decision.hold_reason.value,
        "rule": decision.rule,
        "message": decision.message,
        "policy_digest": decision.policy_digest,
        "canary": incidents.is_canary(report),
        "receipt_due_at": to_micros(decided.now + decided.receipt_due),
    }


def _receipt_row(done: Receipt, host: str, clear: Personal) -> dict[str, Any]:
    return {
        "transfer_id": done.transfer_id,
        "host": host,
        "verdict": done.verdict.value,
        "enforcement": done.enforcement.value,
        "hold_reason": None if done.hold_reason is None else done.hold_reason.value,
        "errno_value": done.errno_value,
        "enforced_at": to_micros(done.enforce_time),
        **_personal_columns(clear),
        "quarantine_id": done.quarantine_id,
        "quarantine_path": done.quarantine_path,
        "detail": done.detail,
    }


def _personal_columns(clear: Personal) -> dict[str, Any]:
    return {"path": clear.path, "opener": clear.opener, "personal_salt": clear.salt}


def _finding_rows(index: int, report: Report) -> list[dict[str, Any]]:
    """One row per key; a hostile report may name one twice."""
    unique = {f.fingerprint: f for f in report.findings}
    return [
        {
            "ledger_index": index,
            "fingerprint": finding.fingerprint,
            "class": finding.class_.value,
            "occurrences": len(finding.occurrences),
        }
        for finding in unique.values()
    ]
