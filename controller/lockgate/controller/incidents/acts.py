"""What people do about incidents, in one transaction with its ledger entry.

Rules enforced here: the ledger names the person by id; the reason is in their words and stands
in both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, or_, select, update

from lockgate.controller.appending import Ledger
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.incidents.state import IncidentAction, IncidentState, after
from lockgate.controller.people.roles import Person
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.schema import incidents
from lockgate.scan.names import escape_name


def find(connection: Connection, incident: str) -> RowMapping | None:
    """The incident of that id, or of the key with that fingerprint."""
    here = or_(incidents.c.id == incident, incidents.c.fingerprint == incident)
    return connection.execute(select(incidents).where(here)).mappings().first()


def act(
    connection: Connection,
    ledger: Ledger,
    incident: str,
    action: IncidentAction,
    reason: str,
    person: Person,
    now: datetime,
) -> RowMapping | Refusal:
    """Do it; the incident as it is then."""
    known = find(connection, incident)
    if known is None:
        return Refusal(RefusalReason.NOT_FOUND, "incident")
    state = after(IncidentState(known["state"]), action)
    if state is None:
        return Refusal(RefusalReason.CONFLICT, f"the incident is {known['state']}")
    values = {
        "state": state.value,
        "changed_at": to_micros(now),
        "changed_by": person.id,
        "reason": escape_name(reason),
    }
    here = incidents.c.fingerprint == known["fingerprint"]
    connection.execute(update(incidents).where(here).values(**values))
    ledger.append(connection, _entry(known, state, values["reason"], person, now))
    changed = find(connection, incident)
    assert changed is not None
    return changed


def _entry(
    known: RowMapping, state: IncidentState, reason: object, person: Person, now: datetime
) -> dict[str, Any]:
    return {
        "kind": f"incident-{state.value}",
        "time": rfc3339(now),
        "incident": known["id"],
        "fingerprint": known["fingerprint"],
        "person": person.id,
        "reason": reason,
    }
