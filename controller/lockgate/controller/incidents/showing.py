"""What people are shown of incidents.

Rules enforced here:

1. Only reads, all of them bounded in number and bytes; how many there are stands beside what
   is cut.
2. An incident's owner and zones are those that the registry has now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, func, select

from lockgate.controller.fitting import fitting
from lockgate.controller.hooks import queue
from lockgate.controller.incidents import messages
from lockgate.controller.incidents.schema import incident_places
from lockgate.controller.incidents.state import IncidentState
from lockgate.controller.people import people
from lockgate.controller.registry import keys
from lockgate.controller.registry.messages import of_key, stored
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.store.schema import findings, incidents, receipts, verdicts
from lockgate.controller.triage import store as triage
from lockgate.scan.protected import ProtectedKey
from lockgate.v1 import incident_pb2 as pb
from lockgate.wire.bounds.incident import (
    MOST_INCIDENTS,
    MOST_PLACES,
    MOST_READINGS,
    MOST_RULINGS,
    MOST_RUNS,
    MOST_SIGHTINGS,
)


def listed(
    connection: Connection, state: IncidentState | None, protected: ProtectedKeys
) -> list[pb.Incident]:
    """The incidents that were seen last, the newest first."""
    query = select(incidents).order_by(incidents.c.last_seen_at.desc()).limit(MOST_INCIDENTS)
    if state is not None:
        query = query.where(incidents.c.state == state.value)
    rows = connection.execute(query).mappings().all()
    names = people.names(connection, _ids(row["changed_by"] for row in rows))
    return fitting(_whole(connection, row, protected, names) for row in rows)


def one(connection: Connection, row: RowMapping, protected: ProtectedKeys) -> pb.Incident:
    """One incident as lists show it."""
    names = people.names(connection, _ids([row["changed_by"]]))
    return _whole(connection, row, protected, names)


def detailed(
    connection: Connection, row: RowMapping, files: Sequence[ProtectedKey], protected: ProtectedKeys
) -> pb.GetIncidentResponse:
    """One incident with all that is known of its key; ``files``: keys of the settings."""
    fingerprint = row["fingerprint"]
    answer = pb.GetIncidentResponse(
        incident=one(connection, row, protected),
        sightings=_sightings(connection, fingerprint),
        runs=[messages.run(r) for r in queue.runs_of(connection, fingerprint, MOST_RUNS)],
        rulings=rulings(connection, fingerprint),
    )
    known = keys.find(connection, fingerprint)
    if known is not None and known.removed_at is None:
        answer.key.CopyFrom(stored(known))
    else:
        for key in files:
            if key.fingerprint == fingerprint:
                answer.key.CopyFrom(of_key(key))
    return answer


def rulings(connection: Connection, fingerprint: str | None) -> list[pb.Ruling]:
    """The rulings on a key, or on all, the newest first."""
    rows = triage.listed(connection, fingerprint, MOST_RULINGS)
    ids = _ids(person for row in rows for person in (row.proposed_by, row.approved_by))
    names = people.names(connection, ids)
    return [messages.ruling(row, names) for row in rows]


def _whole(
    connection: Connection, row: RowMapping, protected: ProtectedKeys, names: messages.Names
) -> pb.Incident:
    fingerprint = row["fingerprint"]
    record = protected.record_of(fingerprint)
    message = messages.incident(row, record.owner, names)
    columns = incident_places.c
    here = columns.fingerprint == fingerprint
    places = select(incident_places).where(here).order_by(columns.last_seen_at.desc())
    for found in connection.execute(places.limit(MOST_PLACES)):
        message.places.append(messages.place(found, record.zones))
    count = select(func.count()).select_from(incident_places).where(here)
    message.place_count = connection.execute(count).scalar_one()
    for ruling in rulings(connection, fingerprint)[:1]:
        if not ruling.HasField("end_time"):
            message.ruling.CopyFrom(ruling)
    return message


def _sightings(connection: Connection, fingerprint: str) -> list[pb.IncidentSighting]:
    query = (
        select(verdicts)
        .join(findings, findings.c.ledger_index == verdicts.c.ledger_index)
        .where(findings.c.fingerprint == fingerprint)
        .order_by(findings.c.ledger_index.desc())
        .limit(MOST_SIGHTINGS)
    )
    rows = connection.execute(query).all()
    return fitting(messages.sighting(row, _readings(connection, row.transfer_id)) for row in rows)


def _readings(connection: Connection, transfer_id: str) -> list[Row[Any]]:
    query = select(receipts).where(receipts.c.transfer_id == transfer_id)
    return list(
        connection.execute(query.order_by(receipts.c.ledger_index).limit(MOST_READINGS)).all()
    )


def _ids(ids: Iterable[str | None]) -> list[str]:
    return sorted({one for one in ids if one is not None})
