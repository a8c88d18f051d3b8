"""What the ledger says: one pure function per kind of entry.

Rules enforced here:

1. An entry says what happened, to which bytes, by which policy and engine, and who was told;
   it can be read in seven years without any other table.
2. Path and opener are commitments (``lockgate.controller.personal``); nothing else names a
   person.
3. Lists are bounded; where one is cut, its true length stands beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lockgate.controller.clock import rfc3339
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, GuardChange, Receipt, Transfer, Verdict, Zone

_LISTED = 100
_LONGEST_QUESTION = 4096


def verdict(
    transfer: Transfer,
    report: Report,
    decision: Decision,
    *,
    request_id: str,
    commitment: str,
    now: datetime,
) -> dict[str, Any]:
    """A decision was made."""
    return {
        "kind": "verdict",
        "time": rfc3339(now),
        "request_id": request_id,
        "host": transfer.host,
        "zone": transfer.zone.name,
        "boundary": transfer.boundary.value,
        "transfer_id": transfer.transfer_id,
        "attempt_time": rfc3339(transfer.attempt_time),
        "personal": commitment,
        "report": _report(report),
        "verdict": decision.verdict.value,
        "hold_reason": None if decision.hold_reason is None else decision.hold_reason.value,
        "rule": decision.rule,
        "warnings": list(decision.warnings[:_LISTED]),
        "audit": list(decision.audit[:_LISTED]),
        "policy_digest": decision.policy_digest,
    }


def _report(report: Report) -> dict[str, Any]:
    engine = report.engine
    return {
        "sha256": report.sha256,
        "size": report.size,
        "outcome": report.outcome.value,
        "findings": [
            {
                "fingerprint": f.fingerprint,
                "class": f.class_.value,
                "algorithm": f.algorithm,
                "protected_name": f.protected_name,
                "occurrences": len(f.occurrences),
            }
            for f in report.findings[:_LISTED]
        ],
        "finding_count": len(report.findings),
        "gaps": sorted({gap.reason.value for gap in report.gaps}),
        "gap_count": len(report.gaps),
        "bytes_scanned": report.bytes_scanned,
        "engine": {
            "version": engine.version,
            "rule_pack": engine.rule_pack,
            "profile": engine.profile,
            "searches": list(engine.searches),
            "salt": engine.salt,
        },
    }


def receipt(
    done: Receipt, *, host: str, request_id: str, commitment: str, now: datetime
) -> dict[str, Any]:
    """An agent said what it did."""
    return {
        "kind": "receipt",
        "time": rfc3339(now),
        "request_id": request_id,
        "host": host,
        "transfer_id": done.transfer_id,
        "verdict": done.verdict.value,
        "enforcement": done.enforcement.value,
        "hold_reason": None if done.hold_reason is None else done.hold_reason.value,
        "errno": done.errno_value,
        "enforce_time": rfc3339(done.enforce_time),
        "personal": commitment,
        "quarantine_id": done.quarantine_id,
    }


def guard(
    change: GuardChange, zone: Zone, *, host: str, request_id: str, detail: str, now: datetime
) -> dict[str, Any]:
    """A guard was put on or off, or was blind."""
    return {
        "kind": "guard",
        "time": rfc3339(now),
        "request_id": request_id,
        "host": host,
        "zone": zone.name,
        "change": change.value,
        "detail": detail,
    }


def overdue(
    transfer_id: str, host: str, verdict_index: int, decided: Verdict, now: datetime
) -> dict[str, Any]:
    """A verdict's receipt did not come in time."""
    return {
        "kind": "receipt-overdue",
        "time": rfc3339(now),
        "host": host,
        "transfer_id": transfer_id,
        "verdict_index": verdict_index,
        "verdict": decided.value,
    }


def identity(kind: str, now: datetime, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Enrolment, renewal, join token, ban; what becomes of people."""
    return {"kind": kind, "time": rfc3339(now), **fields}


def view(call: str, person: str, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A person, named by id, was shown what ``asked`` selects; by its digest when it is long."""
    entry = {"kind": "view", "time": rfc3339(now), "call": call, "person": person}
    text = json.dumps(asked, sort_keys=True).encode()
    if len(text) > _LONGEST_QUESTION:
        return {**entry, "asked": {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}}
    return {**entry, "asked": dict(asked)}
