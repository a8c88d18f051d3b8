"""What is told to the outside, as OCSF events; pure functions.

Rules enforced here:

1. One finding per transfer: ``finding_info.uid`` is the transfer's id, each key is an entry of
   ``data_security.discovery_details``, and with its place of ``unmapped.lockgate.keys``.
2. An event claims only what has happened. A decision makes the finding: detected, action
   unknown, whatever the verdict. Each receipt updates it with what the agent did. No update
   has a lower severity than the worst key of the file.
3. What OCSF has no field for stands in ``unmapped.lockgate``: ledger index, fingerprints,
   verdict and reason, in the words of the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lockgate.controller.alerts import ocsf
from lockgate.controller.alerts.ocsf import CREATE, MOST_KEYS, UPDATE, Control
from lockgate.scan.report import Finding, FindingClass, Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    GuardChange,
    HoldReason,
    Receipt,
    Transfer,
    Verdict,
)

# disposition_id 15: "detected without further action"; what is done about it comes later.
_DECIDED = Control(ocsf.UNKNOWN, 15, "Detected")
_LOSSES = frozenset(
    {
        GuardChange.DISARMED,
        GuardChange.BLIND,
        GuardChange.INTAKE_DRIFT,
        GuardChange.INTAKE_DISABLED,
    }
)
_DONE: Mapping[Enforcement, Control] = {
    Enforcement.ALLOWED: Control(ocsf.ALLOWED, 1, "Allowed"),
    Enforcement.DENIED: Control(ocsf.DENIED, 2, "Blocked"),
    Enforcement.QUARANTINED: Control(ocsf.DENIED, 3, "Quarantined"),
    Enforcement.QUARANTINE_FAILED: Control(ocsf.DENIED, 27, "Error"),
    Enforcement.NOT_ENFORCED: Control(ocsf.ALLOWED, 17, "Logged"),
    Enforcement.RESTORED: Control(ocsf.ALLOWED, 9, "Restored"),
    Enforcement.TAKEN_IN: Control(ocsf.DENIED, 3, "Quarantined"),
    Enforcement.NOT_KEPT: Control(ocsf.DENIED, 6, "Dropped"),
}


@dataclass(frozen=True, slots=True)
class KeysKnown:
    """Of the keys of a file: their incidents, and which count as ``test`` by a ruling."""

    incidents: Mapping[str, str] = field(default_factory=dict)
    ruled: frozenset[str] = frozenset()


_NOTHING = KeysKnown()


def verdict_event(
    transfer: Transfer,
    report: Report,
    decision: Decision,
    ledger_index: int,
    now: datetime,
    known: KeysKnown = _NOTHING,
) -> dict[str, Any]:
    """A transfer was decided; nothing has been done about it yet."""
    title = f"{_subject(report)}; decided: {decision.verdict.value}"
    classes = [finding.class_ for finding in report.findings]
    return {
        **ocsf.frame(CREATE, verdict_severity(report, decision, known.ruled), now),
        **ocsf.control(_DECIDED),
        "message": f"{title}. {decision.message}".rstrip(),
        "finding_info": ocsf.finding_info(
            transfer.transfer_id, title, transfer.attempt_time, classes
        ),
        "data_security": ocsf.data_security(report),
        "file": ocsf.file(transfer.path, report.sha256, report.size),
        "device": ocsf.device(transfer.host, transfer.zone.name),
        **ocsf.actor(transfer.opener),
        "policy": {"uid": decision.policy_digest, "name": decision.rule or "none"},
        "unmapped": {"lockgate": _unmapped(ledger_index, decision, transfer, report, known)},
    }


def receipt_event(
    receipt: Receipt,
    host: str,
    found: Mapping[str, FindingClass],
    ledger_index: int,
    now: datetime,
    *,
    new: bool = False,
    known: KeysKnown = _NOTHING,
) -> dict[str, Any]:
    """An agent did something about a transfer; updates the finding of its verdict.

    ``found`` are the keys in the file: fingerprint and class. ``new``: nothing was told of
    the transfer before, since the agent held it without asking.
    """
    title = f"{receipt.enforcement.value}; decided: {receipt.verdict.value}"
    message = f"{receipt.enforcement.explanation} The verdict was {receipt.verdict.value}."
    return {
        **ocsf.frame(CREATE if new else UPDATE, receipt_severity(receipt, found.values()), now),
        **ocsf.control(_DONE[receipt.enforcement]),
        "message": message,
        "finding_info": ocsf.finding_info(
            receipt.transfer_id, title, receipt.enforce_time, found.values(), new=new
        ),
        "file": ocsf.file(receipt.path, None, None),
        "device": ocsf.device(host, ""),
        **ocsf.actor(receipt.opener),
        "unmapped": {
            "lockgate": {
                "event": "receipt",
                "ledger_index": ledger_index,
                "transfer_id": receipt.transfer_id,
                "verdict": receipt.verdict.value,
                "hold_reason": _reason(receipt.hold_reason),
                "enforcement": receipt.enforcement.value,
                "errno": receipt.errno_value,
                "quarantine_path": receipt.quarantine_path,
                "fingerprints": list(found)[:MOST_KEYS],
                "incidents": _incidents(known),
                "detail": receipt.detail,
            }
        },
    }


def guard_event(
    change: GuardChange, host: str, zone: str, detail: str, ledger_index: int, now: datetime
) -> dict[str, Any]:
    """A guard was put on or off, or was blind."""
    fields = {"event": "guard", "change": change.value, "zone": zone, "detail": detail}
    title = f"guard {change.value}: zone {zone} on {host}"
    return notice_event(
        title,
        change.explanation,
        host,
        guard_severity(change),
        ledger_index,
        fields,
        now,
    )


def guard_severity(change: GuardChange) -> int:
    """OCSF severity_id of a guard's change: high for a loss, medium for a weaker guard."""
    if change in _LOSSES:
        return ocsf.HIGH
    return ocsf.MEDIUM if change is GuardChange.DEGRADED else ocsf.INFORMATIONAL


def notice_event(
    title: str,
    message: str,
    host: str,
    severity_id: int,
    ledger_index: int,
    fields: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """Something about the gate itself, not about one file."""
    return {
        **ocsf.frame(CREATE, severity_id, now),
        "message": message,
        "finding_info": ocsf.finding_info(uuid7(), title, now, ()),
        "device": ocsf.device(host, str(fields.get("zone", ""))),
        "unmapped": {"lockgate": {"ledger_index": ledger_index, **fields}},
    }


def overdue_event(
    transfer_id: str, host: str, ledger_index: int, verdict: Verdict, now: datetime
) -> dict[str, Any]:
    """A verdict whose receipt did not come."""
    fields = {
        "event": "receipt-overdue",
        "transfer_id": transfer_id,
        "verdict": verdict.value,
    }
    message = "The agent has not said what it did about a verdict."
    title = f"no receipt for a verdict {verdict.value} on {host}"
    return notice_event(title, message, host, ocsf.HIGH, ledger_index, fields, now)


def verdict_severity(
    report: Report, decision: Decision, ruled: frozenset[str] = frozenset()
) -> int:
    """OCSF severity_id of a decided transfer; ``ruled`` keys count as ``test``."""
    classes = (FindingClass.TEST if f.fingerprint in ruled else f.class_ for f in report.findings)
    found = max((ocsf.CLASS_SEVERITY[class_] for class_ in classes), default=ocsf.INFORMATIONAL)
    held = ocsf.MEDIUM if decision.verdict is not Verdict.ALLOW else ocsf.INFORMATIONAL
    return ocsf.CRITICAL if decision.page else max(found, held)


def receipt_severity(receipt: Receipt, classes: Iterable[FindingClass] = ()) -> int:
    """OCSF severity_id of a receipt: critical when something got out against the verdict."""
    if receipt.enforcement is Enforcement.ALLOWED and receipt.verdict is not Verdict.ALLOW:
        return ocsf.CRITICAL
    unstopped = receipt.enforcement in {Enforcement.QUARANTINE_FAILED, Enforcement.NOT_ENFORCED}
    found = max((ocsf.CLASS_SEVERITY[class_] for class_ in classes), default=ocsf.LOW)
    return max(found, ocsf.HIGH if unstopped else ocsf.MEDIUM)


def _unmapped(
    ledger_index: int, decision: Decision, transfer: Transfer, report: Report, known: KeysKnown
) -> dict[str, Any]:
    return {
        "event": "verdict",
        "ledger_index": ledger_index,
        "transfer_id": transfer.transfer_id,
        "boundary": transfer.boundary.value,
        "zone": transfer.zone.name,
        "verdict": decision.verdict.value,
        "hold_reason": _reason(decision.hold_reason),
        "rule": decision.rule,
        "warnings": list(decision.warnings),
        "page": decision.page,
        "outcome": report.outcome.value,
        "gaps": sorted({gap.reason.value for gap in report.gaps}),
        "keys": [_key(f, known) for f in report.findings[:MOST_KEYS]],
        "incidents": _incidents(known),
        "fingerprints": [f.fingerprint for f in report.findings[:MOST_KEYS]],
        "protected_names": sorted({f.protected_name for f in report.findings if f.protected_name}),
    }


def _key(finding: Finding, known: KeysKnown) -> dict[str, Any]:
    incident = known.incidents.get(finding.fingerprint)
    return {
        **ocsf.key(finding),
        "incident": incident,
        "ruled": finding.fingerprint in known.ruled,
    }


def _incidents(known: KeysKnown) -> list[str]:
    return list(known.incidents.values())[:MOST_KEYS]


def _subject(report: Report) -> str:
    if not report.findings:
        return f"a file whose scan is {report.outcome.value}"
    worst = max(report.findings, key=lambda f: ocsf.CLASS_SEVERITY[f.class_])
    name = f" {worst.protected_name}" if worst.protected_name else ""
    return f"{worst.class_.value} {worst.algorithm} key{name} in a file"


def _reason(reason: HoldReason | None) -> str | None:
    return None if reason is None else reason.value
