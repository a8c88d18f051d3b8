"""Incidents: all findings of one key fingerprint.

Rules enforced here:

1. One incident per fingerprint, opened by the first finding and never closed by silence.
2. Published test keys, generator states and the agents' own canaries open no incident: they
   are recorded with their transfer and no more.
3. A key found to be protected stays so; a later, weaker report does not lower its class.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from lockgate.controller.store.schema import incidents
from lockgate.policy import canary
from lockgate.scan.report import Finding, FindingClass, Report

_NO_INCIDENT = frozenset({FindingClass.TEST, FindingClass.RNG})

# Statements of the hot path are built once: building costs more than SQLite's work.
_KNOWN = select(incidents.c.last_seen_at).where(incidents.c.fingerprint == bindparam("key"))
_NEW_INCIDENT = insert(incidents)
_SEEN_AGAIN = update(incidents).where(incidents.c.fingerprint == bindparam("key"))


def is_canary(report: Report) -> bool:
    """Whether canaries are all that was found."""
    return bool(report.findings) and all(canary.is_canary(f) for f in report.findings)


def opening(report: Report) -> tuple[Finding, ...]:
    """The findings of a report that belong to an incident."""
    return tuple(
        f for f in report.findings if f.class_ not in _NO_INCIDENT and not canary.is_canary(f)
    )


def record(connection: Connection, report: Report, micros: int) -> None:
    """Open or continue the incident of every finding."""
    for finding in opening(report):
        row = _row(finding)
        known = connection.execute(_KNOWN, {"key": finding.fingerprint}).first()
        if known is None:
            times = {"first_seen_at": micros, "last_seen_at": micros}
            connection.execute(_NEW_INCIDENT, {**row, **times})
            continue
        rises = finding.class_ is FindingClass.PROTECTED
        changed = {**(row if rises else {}), "last_seen_at": max(micros, known.last_seen_at)}
        connection.execute(_SEEN_AGAIN, {"key": finding.fingerprint, **changed})


def _row(finding: Finding) -> dict[str, object]:
    return {
        "fingerprint": finding.fingerprint,
        "kind": finding.kind.value,
        "class": finding.class_.value,
        "algorithm": finding.algorithm,
        "bits": finding.bits,
        "protected_name": finding.protected_name,
    }
