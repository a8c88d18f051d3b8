"""OCSF events, built by pure functions.

Rules enforced here:

1. The form is OCSF 1.4 Data Security Finding (class 2006) with the ``security_control`` and
   ``host`` profiles. One finding per transfer: ``finding_info.uid`` is the transfer's id,
   each key is an entry of ``evidences``.
2. ``metadata.uid`` is a UUIDv7 and names this event: receivers deduplicate by it.
3. What OCSF has no field for stands in ``unmapped.lockgate``: ledger index, fingerprints,
   verdict and reason, in the words of the tables.
4. No event holds a private byte; everything a host wrote (paths, names) is escaped already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.scan.report import Finding, FindingClass, Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    GuardChange,
    HoldReason,
    Opener,
    Receipt,
    Transfer,
    Verdict,
)

CLASS_UID = 2006
_CATEGORY_UID = 2
_SCHEMA = "1.4.0"
_VERSION = "0.1.0"
_EVIDENCES = 100

# activity_id of the findings category.
_CREATE, _UPDATE = 1, 2
_ACTIVITIES = {_CREATE: "Create", _UPDATE: "Update"}

# severity_id.
_INFORMATIONAL, _LOW, _MEDIUM, _HIGH, _CRITICAL = 1, 2, 3, 4, 5
_SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}

_CLASS_SEVERITY = {
    FindingClass.PROTECTED: _CRITICAL,
    FindingClass.PRIVATE: _HIGH,
    FindingClass.CREDENTIAL: _HIGH,
    FindingClass.SESSION: _MEDIUM,
    FindingClass.ENCRYPTED: _MEDIUM,
    FindingClass.RNG: _LOW,
    FindingClass.TEST: _LOW,
}


@dataclass(frozen=True, slots=True)
class _Control:
    """What the security control did: action_id 1 allowed, 2 denied; disposition_id."""

    action_id: int
    disposition_id: int
    disposition: str


_VERDICT_CONTROL: Mapping[Verdict, _Control] = {
    Verdict.ALLOW: _Control(1, 1, "Allowed"),
    Verdict.HOLD: _Control(2, 14, "Delayed"),
    Verdict.BLOCK: _Control(2, 2, "Blocked"),
    Verdict.QUARANTINE: _Control(2, 3, "Quarantined"),
}
_ENFORCEMENT_CONTROL: Mapping[Enforcement, _Control] = {
    Enforcement.ALLOWED: _Control(1, 1, "Allowed"),
    Enforcement.DENIED: _Control(2, 2, "Blocked"),
    Enforcement.QUARANTINED: _Control(2, 3, "Quarantined"),
    Enforcement.QUARANTINE_FAILED: _Control(2, 27, "Error"),
    Enforcement.NOT_ENFORCED: _Control(1, 17, "Logged"),
    Enforcement.RESTORED: _Control(1, 9, "Restored"),
}
_ACTIONS = {1: "Allowed", 2: "Denied"}


def verdict_event(
    transfer: Transfer, report: Report, decision: Decision, ledger_index: int, now: datetime
) -> dict[str, Any]:
    """A transfer was decided."""
    title = f"{decision.verdict.value}: {_subject(report)}"
    return {
        **_frame(_CREATE, verdict_severity(report, decision), now),
        **_control(_VERDICT_CONTROL[decision.verdict]),
        "message": decision.message or title,
        "finding_info": _finding_info(transfer.transfer_id, title, transfer.attempt_time, report),
        "data_security": _data_security(report),
        "file": _file(transfer.path, report.sha256, report.size),
        "device": _device(transfer.host, transfer.zone.name),
        "actor": _actor(transfer.opener),
        "policy": {"uid": decision.policy_digest, "name": decision.rule or "none"},
        "evidences": [_evidence(f) for f in report.findings[:_EVIDENCES]],
        "unmapped": {"lockgate": _unmapped(ledger_index, decision, transfer, report)},
    }


def receipt_event(
    receipt: Receipt, host: str, ledger_index: int, severity_id: int, now: datetime
) -> dict[str, Any]:
    """An agent did something about a transfer; continues the finding of its verdict."""
    title = f"{receipt.enforcement.value}: the verdict was {receipt.verdict.value}"
    return {
        **_frame(_UPDATE, severity_id, now),
        **_control(_ENFORCEMENT_CONTROL[receipt.enforcement]),
        "message": receipt.enforcement.explanation,
        "finding_info": _finding_info(receipt.transfer_id, title, receipt.enforce_time, None),
        "file": _file(receipt.path, None, None),
        "device": _device(host, ""),
        "actor": _actor(receipt.opener),
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
                "detail": receipt.detail,
            }
        },
    }


def guard_event(
    change: GuardChange, host: str, zone: str, detail: str, ledger_index: int, now: datetime
) -> dict[str, Any]:
    """A guard was put on or off, or was blind."""
    lost = change in {GuardChange.DISARMED, GuardChange.BLIND}
    fields = {"event": "guard", "change": change.value, "zone": zone, "detail": detail}
    title = f"guard {change.value}: zone {zone} on {host}"
    return notice_event(
        title,
        change.explanation,
        host,
        _HIGH if lost else _INFORMATIONAL,
        ledger_index,
        fields,
        now,
    )


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
        **_frame(_CREATE, severity_id, now),
        "message": message,
        "finding_info": _finding_info(uuid7(), title, now, None),
        "device": _device(host, str(fields.get("zone", ""))),
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
    return notice_event(title, message, host, _HIGH, ledger_index, fields, now)


def verdict_severity(report: Report, decision: Decision) -> int:
    """OCSF severity_id of a decided transfer."""
    found = max((_CLASS_SEVERITY[f.class_] for f in report.findings), default=_INFORMATIONAL)
    held = _MEDIUM if decision.verdict is not Verdict.ALLOW else _INFORMATIONAL
    return _CRITICAL if decision.page else max(found, held)


def receipt_severity(receipt: Receipt) -> int:
    """OCSF severity_id of a receipt: critical when something got out against the verdict."""
    if receipt.enforcement is Enforcement.ALLOWED and receipt.verdict is not Verdict.ALLOW:
        return _CRITICAL
    if receipt.enforcement in {Enforcement.QUARANTINE_FAILED, Enforcement.NOT_ENFORCED}:
        return _HIGH
    return _MEDIUM


def _frame(activity: int, severity: int, now: datetime) -> dict[str, Any]:
    """The attributes that every event of the class has."""
    return {
        "class_uid": CLASS_UID,
        "class_name": "Data Security Finding",
        "category_uid": _CATEGORY_UID,
        "category_name": "Findings",
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "type_uid": CLASS_UID * 100 + activity,
        "type_name": f"Data Security Finding: {_ACTIVITIES[activity]}",
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "status_id": 1,
        "status": "New",
        "time": _millis(now),
        "metadata": {
            "uid": uuid7(),
            "version": _SCHEMA,
            "profiles": ["security_control", "host"],
            "product": {"name": "Lockgate", "vendor_name": "Lockgate", "version": _VERSION},
        },
    }


def _control(control: _Control) -> dict[str, Any]:
    return {
        "action_id": control.action_id,
        "action": _ACTIONS[control.action_id],
        "disposition_id": control.disposition_id,
        "disposition": control.disposition,
    }


def _finding_info(uid: str, title: str, created: datetime, report: Report | None) -> dict[str, Any]:
    info: dict[str, Any] = {"uid": uid, "title": title, "created_time": _millis(created)}
    if report is not None:
        info["types"] = sorted({f.class_.value for f in report.findings})
    return info


def _data_security(report: Report) -> dict[str, Any]:
    """detection_system_id 1: endpoint; data_lifecycle_state_id 2: data in transit."""
    return {
        "category": "cryptographic key material",
        "detection_system_id": 1,
        "detection_system": "Endpoint",
        "data_lifecycle_state_id": 2,
        "data_lifecycle_state": "Data in Transit",
        "num_total_findings": len(report.findings),
    }


def _file(path: str, sha256: str | None, size: int | None) -> dict[str, Any]:
    """type_id 1: a regular file; hash algorithm_id 3: SHA-256."""
    file: dict[str, Any] = {"name": path.rpartition("/")[2], "path": path, "type_id": 1}
    if size is not None:
        file["size"] = size
    if sha256:
        file["hashes"] = [{"algorithm_id": 3, "algorithm": "SHA-256", "value": sha256}]
    return file


def _device(host: str, zone: str) -> dict[str, Any]:
    """type_id 1: a server."""
    device: dict[str, Any] = {"hostname": host, "type_id": 1, "type": "Server"}
    return {**device, "zone": zone} if zone else device


def _actor(opener: Opener | None) -> dict[str, Any]:
    if opener is None:
        return {}
    process: dict[str, Any] = {"pid": opener.pid, "cmd_line": opener.command}
    if opener.executable:
        process["file"] = {
            "name": opener.executable.rpartition("/")[2],
            "path": opener.executable,
            "type_id": 1,
        }
    user = {} if opener.uid is None else {"user": {"uid": str(opener.uid)}}
    return {"process": process, **user}


def _evidence(finding: Finding) -> dict[str, Any]:
    place = finding.occurrences[0] if finding.occurrences else None
    return {
        "name": finding.protected_name or f"{finding.algorithm} {finding.kind.value}",
        "uid": finding.fingerprint,
        "data": {
            "class": finding.class_.value,
            "kind": finding.kind.value,
            "algorithm": finding.algorithm,
            "bits": finding.bits,
            "fingerprint": finding.fingerprint,
            "protected_name": finding.protected_name,
            "format": place.format if place else None,
            "offset": place.offset if place else None,
            "length": place.length if place else None,
            "member": place.member if place else None,
            "occurrences": len(finding.occurrences),
        },
    }


def _unmapped(
    ledger_index: int, decision: Decision, transfer: Transfer, report: Report
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
        "fingerprints": [f.fingerprint for f in report.findings[:_EVIDENCES]],
        "protected_names": sorted({f.protected_name for f in report.findings if f.protected_name}),
    }


def _subject(report: Report) -> str:
    if not report.findings:
        return f"a file whose scan is {report.outcome.value}"
    worst = max(report.findings, key=lambda f: _CLASS_SEVERITY[f.class_])
    name = f" {worst.protected_name}" if worst.protected_name else ""
    return f"{worst.class_.value} {worst.algorithm} key{name} in a file"


def _reason(reason: HoldReason | None) -> str | None:
    return None if reason is None else reason.value


def _millis(moment: datetime) -> int:
    """OCSF timestamp_t: milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
