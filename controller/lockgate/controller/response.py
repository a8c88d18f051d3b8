"""What a found key sets off, in the transaction of its verdict.

Rules enforced here:

1. Incidents follow what was found, with its true class; a ruling keeps a key from opening one and
   from running hooks, not from being counted.
2. Hooks run when an incident opens, opens again, or turns out to be about a protected key; not
   each time that the key is seen.
3. A protected key in a zone that its registration does not name is a ledger entry and an alert
   of its own, for each transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import CRITICAL
from lockgate.controller.appending import Ledger
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.hooks import queue
from lockgate.controller.hooks.queue import Cause
from lockgate.controller.hooks.settings import Hook
from lockgate.controller.incidents import sightings
from lockgate.controller.incidents.sightings import Place, Sighting
from lockgate.controller.incidents.state import Step
from lockgate.scan.report import Report
from lockgate.wire.transfer import Transfer


@dataclass(frozen=True, slots=True)
class KeysSeen:
    """What is known of the keys in a report, by fingerprint.

    ``ruled``: those that count as ``test``; ``misplaced``: protected ones that may not be in the
    zone; ``hooks``: what runs when the incident of a key opens.
    """

    ruled: frozenset[str] = frozenset()
    misplaced: frozenset[str] = frozenset()
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)


def respond(
    connection: Connection,
    transfer: Transfer,
    report: Report,
    seen: KeysSeen,
    verdict_index: int,
    now: datetime,
) -> tuple[Sighting, ...]:
    """Open or continue incidents, and queue hooks; what was seen."""
    place, micros = Place(transfer.host, transfer.zone.name), to_micros(now)
    found = sightings.record(connection, report, place, seen.ruled, micros)
    for sighting in found:
        if sighting.step is Step.AGAIN:
            continue
        fingerprint = sighting.finding.fingerprint
        cause = Cause(fingerprint, sighting.step.value, verdict_index, transfer.transfer_id)
        for hook in seen.hooks.get(fingerprint, ()):
            queue.put(connection, hook, cause, micros)
    return found


def note_misplaced(
    connection: Connection,
    ledger: Ledger,
    transfer: Transfer,
    found: Sequence[Sighting],
    misplaced: frozenset[str],
    verdict_index: int,
    now: datetime,
) -> None:
    """Write and alert every key that may not be where it was seen."""
    for sighting in found:
        if sighting.finding.fingerprint not in misplaced:
            continue
        name, zone = sighting.finding.protected_name, transfer.zone.name
        fields = {
            "zone": zone,
            "fingerprint": sighting.finding.fingerprint,
            "protected_name": name,
            "incident": sighting.incident_id,
            "transfer_id": transfer.transfer_id,
            "verdict_index": verdict_index,
        }
        index = ledger.append(connection, _violation(transfer.host, fields, now))
        told = notice_event(
            f"protected key {name} in zone {zone} on {transfer.host}",
            "The key is registered for other zones only.",
            transfer.host,
            CRITICAL,
            index,
            {"event": "zone-violation", **fields},
            now,
        )
        outbox.put(connection, told, index, to_micros(now))


def _violation(host: str, fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {"kind": "zone-violation", "time": rfc3339(now), "host": host, **fields}
