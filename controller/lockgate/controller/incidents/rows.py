"""Incidents as commands show them: messages become plain values with the words of the tables."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from lockgate.controller.incidents import messages
from lockgate.scan.words import Word
from lockgate.v1 import incident_pb2 as pb
from lockgate.wire.convert.report import CLASSES, KINDS
from lockgate.wire.convert.transfer import BOUNDARIES, ENFORCEMENTS, VERDICTS


def incident(message: pb.Incident) -> dict[str, Any]:
    """One incident."""
    return {
        "id": message.incident_id,
        "state": _word(messages.STATES.word(message.state)),
        "fingerprint": message.fingerprint,
        "class": _word(CLASSES.word(message.finding_class)),
        "kind": _word(KINDS.word(message.kind)),
        "algorithm": message.algorithm,
        "bits": message.bits,
        "protected_name": message.protected_name or None,
        "owner": message.owner or None,
        "changed_by": message.changed_by or None,
        "changed": _time(message, "change_time"),
        "reason": message.reason or None,
        "first_seen": _time(message, "first_seen_time"),
        "last_seen": _time(message, "last_seen_time"),
        "sightings": message.sighting_count,
        "hosts": list(dict.fromkeys(place.host for place in message.places)),
        "places": [_place(place) for place in message.places],
        "place_count": message.place_count,
        "ruling": ruling(message.ruling) if message.HasField("ruling") else None,
    }


def ruling(message: pb.Ruling) -> dict[str, Any]:
    """One ruling."""
    return {
        "id": message.ruling_id,
        "fingerprint": message.fingerprint,
        "as": _word(messages.TRIAGE_AS.word(message.triage_as)),
        "reason": message.reason,
        "made": _time(message, "make_time"),
        "until": _time(message, "until"),
        "proposed_by": message.proposed_by,
        "approved_by": message.approved_by,
        "ended": _time(message, "end_time"),
        "ended_by": message.ended_by or None,
    }


def sighting(message: pb.IncidentSighting) -> dict[str, Any]:
    """One transfer with the key in it."""
    return {
        "transfer_id": message.transfer_id,
        "host": message.host,
        "zone": message.zone,
        "boundary": _word(BOUNDARIES.word(message.boundary)),
        "path": None if message.erased else message.path,
        "sha256": message.sha256 or None,
        "verdict": _word(VERDICTS.word(message.verdict)),
        "attempted": _time(message, "attempt_time"),
        "ledger_index": message.ledger_index,
        "opener": _plain(message, "opener"),
        "readings": [_reading(reading) for reading in message.readings],
        "erased": message.erased,
    }


def run(message: pb.HookRun) -> dict[str, Any]:
    """One run of a hook."""
    return {
        "id": message.run_id,
        "hook": message.hook,
        "action": _word(messages.HOOK_ACTIONS.word(message.action)),
        "cause": message.cause,
        "state": _word(messages.RUN_STATES.word(message.state)),
        "queued": _time(message, "queue_time"),
        "attempts": message.attempts,
        "ended": _time(message, "end_time"),
        "status": message.status if message.HasField("status") else None,
        "error": message.error or None,
        "receipt_index": message.receipt_index if message.HasField("receipt_index") else None,
        "change": message.change_id or None,
    }


def _place(message: pb.IncidentPlace) -> dict[str, Any]:
    return {
        "host": message.host,
        "zone": message.zone,
        "first_seen": _time(message, "first_seen_time"),
        "last_seen": _time(message, "last_seen_time"),
        "sightings": message.sighting_count,
        "misplaced": message.misplaced,
    }


def _reading(message: pb.IncidentReading) -> dict[str, Any]:
    return {
        "enforcement": _word(ENFORCEMENTS.word(message.enforcement)),
        "enforced": _time(message, "enforce_time"),
        "opener": _plain(message, "opener"),
        "path": message.path or None,
        "ledger_index": message.ledger_index,
    }


def _time(message: Message, field: str) -> str | None:
    return getattr(message, field).ToJsonString() if message.HasField(field) else None


def _plain(message: Message, field: str) -> dict[str, Any] | None:
    if not message.HasField(field):
        return None
    return MessageToDict(getattr(message, field), preserving_proto_field_name=True)


def _word(word: Word | None) -> str | None:
    return None if word is None else word.value
