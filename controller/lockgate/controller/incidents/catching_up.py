"""Incidents that were there before the registry or the hooks became what they are.

Rules enforced here:

1. A key that leaked before it was registered has leaked: its incident is raised at once, with a
   ledger entry, an alert, and its hooks.
2. A hook that revokes and is new waits for a person in every incident that is not closed. A hook
   that pages is not run for the past.
"""

from __future__ import annotations

from datetime import datetime
from socket import gethostname
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import CRITICAL
from lockgate.controller.appending import Ledger
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.hooks import queue
from lockgate.controller.hooks.queue import Cause
from lockgate.controller.hooks.settings import HookAction, Hooks, LeakedKey
from lockgate.controller.incidents.state import IncidentState, Step
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.store.schema import incidents
from lockgate.scan.report import FindingClass

_PROTECTED = FindingClass.PROTECTED


def raise_registered(
    connection: Connection, ledger: Ledger, protected: ProtectedKeys, hooks: Hooks, now: datetime
) -> int:
    """Raise the incidents of keys that are protected by now; how many."""
    query = select(incidents).where(incidents.c["class"] != _PROTECTED.value)
    found = [row for row in connection.execute(query).mappings() if row["fingerprint"] in protected]
    for row in found:
        _raise(connection, ledger, row, protected, hooks, now)
    return len(found)


def queue_revocations(
    connection: Connection, protected: ProtectedKeys, hooks: Hooks, now: datetime
) -> int:
    """Queue every hook that revokes where it never was; how many runs."""
    revoking = [hook for hook in hooks.all if hook.action is HookAction.REVOKE]
    query = select(incidents).where(incidents.c.state != IncidentState.CLOSED.value)
    rows = connection.execute(query).mappings().all() if revoking else []
    queued = 0
    for row in rows:
        key = LeakedKey(row["fingerprint"], FindingClass(row["class"]), row["protected_name"])
        for hook in set(revoking) & set(hooks.of(key, protected)):
            if not queue.has_run(connection, hook.name, key.fingerprint):
                queue.put(connection, hook, Cause(key.fingerprint, "added"), to_micros(now))
                queued += 1
    return queued


def _raise(
    connection: Connection,
    ledger: Ledger,
    row: RowMapping,
    protected: ProtectedKeys,
    hooks: Hooks,
    now: datetime,
) -> None:
    fingerprint, name = row["fingerprint"], protected.name_of(row["fingerprint"])
    values = {"class": _PROTECTED.value, "protected_name": name, "state": IncidentState.OPEN.value}
    here = incidents.c.fingerprint == fingerprint
    connection.execute(update(incidents).where(here).values(**values))
    fields = {"incident": row["id"], "fingerprint": fingerprint, "protected_name": name}
    index = ledger.append(connection, _entry(fields, now))
    told = notice_event(
        f"protected key {name} had leaked before it was registered",
        "The key was found earlier, as one that nobody had registered.",
        gethostname(),
        CRITICAL,
        index,
        {"event": "incident-raised", **fields},
        now,
    )
    outbox.put(connection, told, index, to_micros(now))
    for hook in hooks.of(LeakedKey(fingerprint, _PROTECTED, name), protected):
        cause = Cause(fingerprint, Step.RAISED.value, index)
        queue.put(connection, hook, cause, to_micros(now))


def _entry(fields: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {"kind": "incident-raised", "time": rfc3339(now), **fields}
