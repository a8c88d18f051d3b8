"""Sightings: what a report does to the incidents of the keys in it.

Rules enforced here:

1. One incident per fingerprint, on however many hosts; opened by the first finding and never
   closed by silence.
2. Published test keys, generator states and the agents' own canaries open no incident: they
   are recorded with their transfer and no more.
3. A key found to be protected stays so; a later, weaker report does not lower its class.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, insert, select, update

from lockgate.controller.incidents.schema import incident_places
from lockgate.controller.incidents.state import IncidentState, Step, seen
from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import incidents
from lockgate.policy import canary
from lockgate.scan.report import Finding, FindingClass, Report
from lockgate.wire.ids import uuid7

_NO_INCIDENT = frozenset({FindingClass.TEST, FindingClass.RNG})
_PROTECTED = FindingClass.PROTECTED

# Statements of the hot path are built once: building costs more than SQLite's work.
_KNOWN = Prepared(
    select(
        incidents.c.id,
        incidents.c.state,
        incidents.c["class"].label("class_"),
        incidents.c.last_seen_at,
        incidents.c.sightings,
    ).where(incidents.c.fingerprint == bindparam("key"))
)
_NEW_INCIDENT = Prepared(insert(incidents))
_SEEN_AGAIN = Prepared(update(incidents).where(incidents.c.fingerprint == bindparam("key")))
_NEW_PLACE = Prepared(insert(incident_places))
_PLACE_AGAIN = Prepared(
    update(incident_places)
    .where(
        incident_places.c.fingerprint == bindparam("key"),
        incident_places.c.host == bindparam("at_host"),
        incident_places.c.zone == bindparam("at_zone"),
    )
    .values(
        last_seen_at=case(
            (incident_places.c.last_seen_at > bindparam("now"), incident_places.c.last_seen_at),
            else_=bindparam("now"),
        ),
        sightings=incident_places.c.sightings + 1,
    )
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One key of a report, its incident, and what the report did to that."""

    finding: Finding
    incident_id: str
    step: Step


@dataclass(frozen=True, slots=True)
class Place:
    """Where a report comes from."""

    host: str
    zone: str


def is_canary(report: Report) -> bool:
    """Whether canaries are all that was found."""
    return bool(report.findings) and all(canary.is_canary(f) for f in report.findings)


def opening(report: Report) -> tuple[Finding, ...]:
    """The findings of a report that belong to an incident, each key once."""
    belonging = {
        f.fingerprint: f
        for f in report.findings
        if f.class_ not in _NO_INCIDENT and not canary.is_canary(f)
    }
    return tuple(belonging.values())


def record(
    connection: Connection, report: Report, place: Place, ruled: frozenset[str], micros: int
) -> tuple[Sighting, ...]:
    """Open or continue the incident of every finding. ``ruled``: keys that count as ``test``."""
    return tuple(
        _record(connection, finding, place, micros, is_ruled=finding.fingerprint in ruled)
        for finding in opening(report)
    )


def _record(
    connection: Connection, finding: Finding, place: Place, micros: int, *, is_ruled: bool
) -> Sighting:
    _record_place(connection, finding.fingerprint, place, micros)
    known = _KNOWN.first(connection, {"key": finding.fingerprint})
    protected = finding.class_ is _PROTECTED
    if known is None:
        state, step = seen(None, was_protected=False, is_protected=protected, is_ruled=is_ruled)
        made = uuid7()
        fresh = {"id": made, "state": state.value, "reason": "", "sightings": 1}
        times = {"first_seen_at": micros, "last_seen_at": micros}
        _NEW_INCIDENT.run(connection, {**_row(finding), **times, **fresh})
        return Sighting(finding, made, step)
    state, step = seen(
        IncidentState(known.state),
        was_protected=known.class_ == _PROTECTED.value,
        is_protected=protected,
        is_ruled=is_ruled,
    )
    changed = {
        **(_row(finding) if protected else {}),
        "last_seen_at": max(micros, known.last_seen_at),
        "state": state.value,
        "sightings": known.sightings + 1,
    }
    _SEEN_AGAIN.run(connection, {"key": finding.fingerprint, **changed})
    return Sighting(finding, known.id, step)


def _record_place(connection: Connection, fingerprint: str, place: Place, micros: int) -> None:
    here = {"key": fingerprint, "at_host": place.host, "at_zone": place.zone}
    if _PLACE_AGAIN.run(connection, {**here, "now": micros}) == 0:
        row = {"fingerprint": fingerprint, "host": place.host, "zone": place.zone}
        times = {"first_seen_at": micros, "last_seen_at": micros}
        _NEW_PLACE.run(connection, {**row, **times, "sightings": 1})


def _row(finding: Finding) -> dict[str, object]:
    return {
        "fingerprint": finding.fingerprint,
        "kind": finding.kind.value,
        "class": finding.class_.value,
        "algorithm": finding.algorithm,
        "bits": finding.bits,
        "protected_name": finding.protected_name,
    }
