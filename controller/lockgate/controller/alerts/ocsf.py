"""The objects that OCSF events are made of; pure functions.

Rules enforced here:

1. The form is OCSF 1.4 Data Security Finding (class 2006) with the ``security_control`` and
   ``host`` profiles. ``metadata.uid`` is a UUIDv7 and names one event: receivers deduplicate
   by it.
2. Every number is a value of the schema's enum and stands beside its caption.
3. No object holds a private byte; what a host wrote (paths, names) is escaped already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.scan.report import Finding, FindingClass, Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Opener

CLASS_UID = 2006
#: Keys that one event tells of.
MOST_KEYS = 100
_CATEGORY_UID = 2
_SCHEMA = "1.4.0"
_VERSION = "0.1.0"

# activity_id of the findings category.
CREATE, UPDATE = 1, 2
_ACTIVITIES = {CREATE: "Create", UPDATE: "Update"}

# severity_id.
INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4, 5
_SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}

CLASS_SEVERITY = {
    FindingClass.PROTECTED: CRITICAL,
    FindingClass.PRIVATE: HIGH,
    FindingClass.CREDENTIAL: HIGH,
    FindingClass.SESSION: MEDIUM,
    FindingClass.ENCRYPTED: MEDIUM,
    FindingClass.RNG: LOW,
    FindingClass.TEST: LOW,
}

# action_id.
UNKNOWN, ALLOWED, DENIED = 0, 1, 2
_ACTIONS = {UNKNOWN: "Unknown", ALLOWED: "Allowed", DENIED: "Denied"}


@dataclass(frozen=True, slots=True)
class Control:
    """What the security control did: ``action_id``, ``disposition_id`` and its caption."""

    action_id: int
    disposition_id: int
    disposition: str


def frame(activity: int, severity: int, now: datetime) -> dict[str, Any]:
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
        "time": millis(now),
        "metadata": {
            "uid": uuid7(),
            "version": _SCHEMA,
            "profiles": ["security_control", "host"],
            "product": {"name": "Lockgate", "vendor_name": "Lockgate", "version": _VERSION},
        },
    }


def control(done: Control) -> dict[str, Any]:
    """The attributes of the ``security_control`` profile."""
    return {
        "action_id": done.action_id,
        "action": _ACTIONS[done.action_id],
        "disposition_id": done.disposition_id,
        "disposition": done.disposition,
    }


def finding_info(
    uid: str, title: str, moment: datetime, classes: Iterable[FindingClass], *, new: bool = True
) -> dict[str, Any]:
    """``uid`` is the same in all events of one finding; ``moment`` made or changed it."""
    return {
        "uid": uid,
        "title": title,
        "created_time" if new else "modified_time": millis(moment),
        "types": sorted({class_.value for class_ in classes}),
    }


def data_security(report: Report) -> dict[str, Any]:
    """detection_system_id 1: endpoint; data_lifecycle_state_id 2: data in transit."""
    return {
        "category": "cryptographic key material",
        "detection_system_id": 1,
        "detection_system": "Endpoint",
        "data_lifecycle_state_id": 2,
        "data_lifecycle_state": "Data in Transit",
        "total": len(report.findings),
        "discovery_details": [_discovered(f) for f in report.findings[:MOST_KEYS]],
    }


def file(path: str, sha256: str | None, size: int | None) -> dict[str, Any]:
    """type_id 1: a regular file; hash algorithm_id 3: SHA-256."""
    made: dict[str, Any] = {"name": path.rpartition("/")[2], "path": path, "type_id": 1}
    if size is not None:
        made["size"] = size
    if sha256:
        made["hashes"] = [{"algorithm_id": 3, "algorithm": "SHA-256", "value": sha256}]
    return made


def device(host: str, zone: str) -> dict[str, Any]:
    """type_id 1: a server."""
    made: dict[str, Any] = {"hostname": host, "type_id": 1, "type": "Server"}
    return {**made, "zone": zone} if zone else made


def actor(opener: Opener | None) -> dict[str, Any]:
    """``actor``: the process that tried to read the file, and its user; nothing when unknown."""
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
    return {"actor": {"process": process, **user}}


def _discovered(finding: Finding) -> dict[str, Any]:
    """One key in the words of the schema's ``discovery_details``."""
    return {
        "type": f"{finding.class_.value} {finding.algorithm} {finding.kind.value}",
        "value": finding.fingerprint,
        "count": len(finding.occurrences),
    }


def key(finding: Finding) -> dict[str, Any]:
    """One key and its first place, in our own words."""
    place = finding.occurrences[0] if finding.occurrences else None
    return {
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
    }


def millis(moment: datetime) -> int:
    """OCSF timestamp_t: milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
