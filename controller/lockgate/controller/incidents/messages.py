"""Incidents on their way to people: rows become messages.

Rules enforced here: people stand in rows by id and in messages by name; text is cut to its bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row, RowMapping

from lockgate.controller.clock import from_micros
from lockgate.controller.hooks.queue import RunState
from lockgate.controller.hooks.settings import HookAction
from lockgate.controller.incidents.state import IncidentState
from lockgate.controller.triage.rulings import TriageAs
from lockgate.scan.report import FindingClass, FindingKind
from lockgate.v1 import incident_pb2 as pb
from lockgate.v1 import transfer_pb2
from lockgate.wire.convert.report import CLASSES, KINDS
from lockgate.wire.convert.transfer import BOUNDARIES, ENFORCEMENTS, VERDICTS, opener_to_wire
from lockgate.wire.convert.values import (
    PATH_TEXT,
    SENTENCE_TEXT,
    SHORT_TEXT,
    EnumMap,
    cut,
    timestamp,
)
from lockgate.wire.transfer import Boundary, Enforcement, Opener, Verdict

STATES = EnumMap(IncidentState, pb.IncidentState.DESCRIPTOR)
TRIAGE_AS = EnumMap(TriageAs, pb.TriageAs.DESCRIPTOR)
HOOK_ACTIONS = EnumMap(HookAction, pb.HookAction.DESCRIPTOR)
RUN_STATES = EnumMap(RunState, pb.RunState.DESCRIPTOR)

#: Names of people by id.
Names = Mapping[str, str]


def incident(row: RowMapping, owner: str, names: Names) -> pb.Incident:
    """An incident without its places and its ruling."""
    return pb.Incident(
        incident_id=row["id"],
        fingerprint=row["fingerprint"],
        kind=KINDS.number(FindingKind(row["kind"])),
        finding_class=CLASSES.number(FindingClass(row["class"])),
        algorithm=cut(row["algorithm"], SHORT_TEXT),
        bits=row["bits"],
        protected_name=row["protected_name"] or "",
        owner=owner,
        state=STATES.number(IncidentState(row["state"])),
        changed_by=names.get(row["changed_by"] or "", ""),
        change_time=_time(row["changed_at"]),
        reason=cut(row["reason"], SENTENCE_TEXT),
        first_seen_time=_time(row["first_seen_at"]),
        last_seen_time=_time(row["last_seen_at"]),
        sighting_count=row["sightings"],
    )


def place(row: Row[Any], zones: Sequence[str]) -> pb.IncidentPlace:
    """A host and zone; ``zones`` are those where the key may be."""
    return pb.IncidentPlace(
        host=row.host,
        zone=row.zone,
        first_seen_time=_time(row.first_seen_at),
        last_seen_time=_time(row.last_seen_at),
        sighting_count=row.sightings,
        misplaced=bool(zones) and row.zone not in zones,
    )


def sighting(row: Row[Any], readings: Sequence[Row[Any]]) -> pb.IncidentSighting:
    """A transfer with the key in it, and what was done about it."""
    return pb.IncidentSighting(
        transfer_id=row.transfer_id,
        host=row.host,
        zone=row.zone,
        boundary=BOUNDARIES.number(Boundary(row.boundary)),
        path=cut(row.path or "", PATH_TEXT),
        sha256=row.sha256 or "",
        verdict=VERDICTS.number(Verdict(row.verdict)),
        attempt_time=_time(row.attempted_at),
        ledger_index=row.ledger_index,
        opener=_opener(row.opener),
        readings=[_reading(one) for one in readings],
        erased=row.path is None,
    )


def _reading(row: Row[Any]) -> pb.IncidentReading:
    return pb.IncidentReading(
        enforcement=ENFORCEMENTS.number(Enforcement(row.enforcement)),
        enforce_time=_time(row.enforced_at),
        opener=_opener(row.opener),
        path=cut(row.path or "", PATH_TEXT),
        ledger_index=row.ledger_index,
    )


def ruling(row: Row[Any], names: Names) -> pb.Ruling:
    """A ruling, in force or not."""
    return pb.Ruling(
        ruling_id=row.id,
        fingerprint=row.fingerprint,
        triage_as=TRIAGE_AS.number(TriageAs(row.triage_as)),
        reason=cut(row.reason, SENTENCE_TEXT),
        make_time=_time(row.made_at),
        until=_time(row.until),
        proposed_by=names.get(row.proposed_by, ""),
        approved_by=names.get(row.approved_by, ""),
        end_time=_time(row.ended_at),
        ended_by=row.ended_by or "",
    )


def run(row: Row[Any]) -> pb.HookRun:
    """A run of a hook."""
    return pb.HookRun(
        run_id=row.uid,
        hook=row.hook,
        action=HOOK_ACTIONS.number(HookAction(row.action)),
        cause=row.cause,
        state=RUN_STATES.number(RunState(row.state)),
        queue_time=_time(row.queued_at),
        attempts=row.attempts,
        end_time=_time(row.ended_at),
        status=row.status,
        error=cut(row.error, SENTENCE_TEXT),
        receipt_index=row.receipt_index,
        change_id=row.change_id or "",
    )


def _time(micros: int | None) -> Timestamp | None:
    return None if micros is None else timestamp(from_micros(micros))


def _opener(text: str | None) -> transfer_pb2.Opener | None:
    """A stored opener (``lockgate.controller.personal``)."""
    if text is None:
        return None
    said = json.loads(text)
    return opener_to_wire(Opener(**{**said, "parents": tuple(said.get("parents", ()))}))
