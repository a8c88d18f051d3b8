"""Blind zones that agents tell of in their health, on their stream.

Rules enforced here:

1. A zone that its agent calls blind is blind, in whichever way that was told: as a change of its
   guard (``.issuing``) or in the tree of the agent's health.
2. What was given while nobody knew is revoked within a turn of the list of revocations; from the
   moment that the health is in the store, nothing more is given.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from lockgate.controller.clock import from_micros
from lockgate.controller.passports.revoking import revoke
from lockgate.controller.passports.schema import passport_revocations
from lockgate.controller.passports.settings import PassportSettings
from lockgate.controller.records import Ledger
from lockgate.controller.stream.schema import agent_states
from lockgate.wire.agent import GuardState
from lockgate.wire.revocations import Rule

_REASON = "the host told that it was blind"
_WORD = f'"{GuardState.BLIND.value}"'


def blind_zones(health: str | None) -> frozenset[str]:
    """The blind zones of an agent's health as the store keeps it; "" is all of them."""
    if health is None or _WORD not in health:
        return frozenset()
    told = json.loads(health)
    zones = frozenset(z["zone"] for z in told["zones"] if z["state"] == GuardState.BLIND.value)
    is_blind = told["state"] == GuardState.BLIND.value
    return zones or (frozenset({""}) if is_blind else frozenset())


def is_blind(health: str | None, zone: str) -> bool:
    """Whether an agent that told this is blind in ``zone``."""
    return not blind_zones(health).isdisjoint({zone, ""})


def revoke_told(
    connection: Connection, ledger: Ledger, settings: PassportSettings, now: datetime
) -> int:
    """Revoke what was given before an agent told in its health; how many rules that takes."""
    rows = connection.execute(
        select(agent_states).where(agent_states.c.health.contains(_WORD))
    ).all()
    made = 0
    for row in rows:
        for zone in sorted(blind_zones(row.health)):
            if _revoked_until(connection, row.host, zone) >= row.health_at:
                continue
            told = from_micros(row.health_at)
            since = told - timedelta(minutes=settings.blind_minutes)
            rule = Rule(_REASON, host=row.host, zone=zone, since=since, until=max(now, told))
            revoke(connection, ledger, rule, now)
            made += 1
    return made


def _revoked_until(connection: Connection, host: str, zone: str) -> int:
    known = passport_revocations.c
    newest = select(func.max(known.until)).where(
        known.host == host, known.zone == zone if zone else known.zone.is_(None)
    )
    return int(connection.execute(newest.where(known.reason == _REASON)).scalar() or 0)
