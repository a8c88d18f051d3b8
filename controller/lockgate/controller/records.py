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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from lockgate.controller import entries, zones
from lockgate.controller.alerts import event, outbox
from lockgate.controller.appending import Ledger
from lockgate.controller.clock import to_micros
from lockgate.controller.incidents import sightings
from lockgate.controller.personal import Personal, personal
from lockgate.controller.response import KeysSeen, note_misplaced, respond
from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import findings, incidents, receipts, verdicts
from lockgate.scan.report import FindingClass, Outcome, Report
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    FileIdentity,
    GuardChange,
    Receipt,
    Transfer,
    Verdict,
    Zone,
)

__all__ = ["Decided", "Ledger", "record_guard", "record_overdue", "record_receipt"]
__all__ += ["record_verdict", "transfer_host"]

#: The largest integer every database takes; a hostile size may be larger.
_LARGEST = 2**63 - 1


_IDENTITY = tuple(field.name for field in dataclasses.fields(FileIdentity))

# Statements of the hot path are built once: building costs more than SQLite's work.
_NEW_VERDICT = Prepared(insert(verdicts))
_NEW_FINDING = Prepared(insert(findings))
_NEW_RECEIPT = Prepared(insert(receipts))
_RECEIVED = Prepared(
    update(verdicts)
    .where(verdicts.c.transfer_id == bindparam("transfer"))
    .values(receipt_due_at=None)
)
_HOST = Prepared(
    select(verdicts.c.host).where(verdicts.c.transfer_id == bindparam("transfer_id")).limit(1)
)
_KNOWN = Prepared(
    select(
        or_(
            exists().where(verdicts.c.transfer_id == bindparam("transfer_id")),
            exists().where(receipts.c.transfer_id == bindparam("transfer_id")),
        ).label("known")
    )
)
_FINDINGS = (
    select(findings.c.fingerprint, findings.c["class"], incidents.c.id)
    .join(verdicts, verdicts.c.ledger_index == findings.c.ledger_index)
    .outerjoin(incidents, incidents.c.fingerprint == findings.c.fingerprint)
    .where(verdicts.c.transfer_id == bindparam("transfer_id"))
    .order_by(findings.c.fingerprint)
)


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
    keys: KeysSeen = field(default_factory=KeysSeen)


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
    _NEW_VERDICT.run(connection, {"ledger_index": index, **_verdict_row(decided, clear)})
    if report.findings:
        _NEW_FINDING.run_all(connection, _finding_rows(index, report))
    found = respond(connection, transfer, report, decided.keys, index, decided.now)
    if _tells_of_verdict(decided):
        known = event.KeysKnown(
            {s.finding.fingerprint: s.incident_id for s in found}, decided.keys.ruled
        )
        alert = event.verdict_event(transfer, report, decided.decision, index, decided.now, known)
        outbox.put(connection, alert, index, to_micros(decided.now))
    misplaced = decided.keys.misplaced
    note_misplaced(connection, ledger, transfer, found, misplaced, index, decided.now)
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
    new = not _KNOWN.scalar(connection, {"transfer_id": done.transfer_id})
    _NEW_RECEIPT.run(connection, {"ledger_index": index, **_receipt_row(done, host, clear)})
    _RECEIVED.run(connection, {"transfer": done.transfer_id})
    if _tells_of_receipt(connection, done):
        found, known = _found(connection, done.transfer_id)
        alert = event.receipt_event(done, host, found, index, now, new=new, known=known)
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
    host: str | None = _HOST.scalar(connection, {"transfer_id": transfer_id})
    return host


def _found(
    connection: Connection, transfer_id: str
) -> tuple[dict[str, FindingClass], event.KeysKnown]:
    """The keys in the file of a transfer, and their incidents; none when it was never decided."""
    rows = connection.execute(_FINDINGS, {"transfer_id": transfer_id}).all()
    known = {fingerprint: incident for fingerprint, _, incident in rows if incident is not None}
    return {key: FindingClass(class_) for key, class_, _ in rows}, event.KeysKnown(known)


def _tells_of_verdict(decided: Decided) -> bool:
    quiet = decided.decision.verdict is Verdict.ALLOW and decided.report.outcome is Outcome.CLEAN
    no_findings = not decided.report.findings
    return not sightings.is_canary(decided.report) and not (quiet and no_findings)


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
        "identity": json.dumps({name: getattr(transfer.identity, name) for name in _IDENTITY}),
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
        "canary": sightings.is_canary(report),
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
