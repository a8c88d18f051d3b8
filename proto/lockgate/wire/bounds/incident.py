"""Bounds of the fields of ``incident.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import (
    FINGERPRINT,
    HEX_OR_EMPTY,
    NAME,
    PATH,
    SENTENCE,
    SHORT,
    UUID,
    Bound,
)
from lockgate.wire.bounds.person import PERSON_NAME

_FINGERPRINT_OR_EMPTY = Bound(FINGERPRINT.high, 0)
_PERSON_OR_EMPTY = Bound(PERSON_NAME.high)
_REASON = Bound(SENTENCE.high, 1)
_INCIDENT = Bound(FINGERPRINT.high, UUID.low)
#: Elements of one answer.
MOST_INCIDENTS, MOST_PLACES, MOST_SIGHTINGS, MOST_READINGS = 200, 100, 200, 20
MOST_RUNS, MOST_RULINGS = 100, 1000

BOUNDS = {
    "Incident.incident_id": UUID,
    "Incident.fingerprint": FINGERPRINT,
    "Incident.algorithm": SHORT,
    "Incident.protected_name": Bound(4096),
    "Incident.owner": SENTENCE,
    "Incident.changed_by": _PERSON_OR_EMPTY,
    "Incident.reason": SENTENCE,
    "Incident.places": Bound(items=MOST_PLACES),
    "IncidentPlace.host": NAME,
    "IncidentPlace.zone": NAME,
    "IncidentSighting.transfer_id": UUID,
    "IncidentSighting.host": NAME,
    "IncidentSighting.zone": NAME,
    "IncidentSighting.path": PATH,
    "IncidentSighting.sha256": HEX_OR_EMPTY,
    "IncidentSighting.readings": Bound(items=MOST_READINGS),
    "IncidentReading.path": PATH,
    "Ruling.ruling_id": UUID,
    "Ruling.fingerprint": FINGERPRINT,
    "Ruling.reason": SENTENCE,
    "Ruling.proposed_by": _PERSON_OR_EMPTY,
    "Ruling.approved_by": _PERSON_OR_EMPTY,
    "Ruling.ended_by": SHORT,
    "HookRun.run_id": UUID,
    "HookRun.hook": SHORT,
    "HookRun.cause": SHORT,
    "HookRun.error": SENTENCE,
    "HookRun.change_id": Bound(36),
    "ListIncidentsResponse.incidents": Bound(items=MOST_INCIDENTS),
    "GetIncidentRequest.incident": _INCIDENT,
    "GetIncidentResponse.sightings": Bound(items=MOST_SIGHTINGS),
    "GetIncidentResponse.runs": Bound(items=MOST_RUNS),
    "GetIncidentResponse.rulings": Bound(items=MOST_RULINGS),
    "AcknowledgeIncidentRequest.request_id": UUID,
    "AcknowledgeIncidentRequest.incident": _INCIDENT,
    "AcknowledgeIncidentRequest.reason": SENTENCE,
    "CloseIncidentRequest.request_id": UUID,
    "CloseIncidentRequest.incident": _INCIDENT,
    "CloseIncidentRequest.reason": _REASON,
    "ListRulingsRequest.fingerprint": _FINGERPRINT_OR_EMPTY,
    "ListRulingsResponse.rulings": Bound(items=MOST_RULINGS),
    "WithdrawRulingRequest.request_id": UUID,
    "WithdrawRulingRequest.fingerprint": FINGERPRINT,
}
