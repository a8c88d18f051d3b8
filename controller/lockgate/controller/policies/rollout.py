"""A policy on its way through the rings, watched beside the calls.

Rules enforced here:

1. What it does to its rings is counted from the newest verdicts there, canaries aside, and
   compared with the verdicts of the policy before it on the same hosts, else on all.
2. Bake time is time that this process has watched, by a clock that does not jump; after a
   restart, and in a new ring, it begins anew.
3. Between the look and the step the version may have changed: the step is refused then, and the
   next look decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, select

from lockgate.controller import clock
from lockgate.controller.appending import Ledger
from lockgate.controller.policies import entries, store
from lockgate.controller.policies.rings import Counts, Judgement, Ring, Tolerance, judge, ring_of
from lockgate.controller.policies.store import PolicyState, Version
from lockgate.controller.store.schema import verdicts
from lockgate.wire.transfer import Verdict

#: How often a rolling version is looked at.
SECONDS = 5.0
#: Newest verdicts that are counted of each policy.
_WINDOW = 5_000
_COLUMNS = verdicts.c

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found: the rolling version, and the verdicts of both policies."""

    version: Version
    new: Counts
    old: Counts
    bake: timedelta | None


def look(connection: Connection) -> Seen | None:
    """The rolling version with its counts; None when nothing rolls."""
    version = store.in_state(connection, PolicyState.ROLLING)
    before = store.in_state(connection, PolicyState.ACTIVE)
    if version is None or before is None:
        return None
    rings = store.read_rings(connection)
    last = next((ring for ring in rings if ring.name == version.rings[-1]), None)
    since = _rows(connection, version.ring_index, after=True)
    earlier = _rows(connection, version.ring_index, after=False)
    reached = frozenset(version.rings)
    new = _count(since, version.digest, rings, reached)
    same = _count([*since, *earlier], before.digest, rings, reached)
    old = same if same.verdicts else _count([*since, *earlier], before.digest, rings, None)
    return Seen(version, new, old, last.bake if last else None)


def _rows(connection: Connection, index: int, *, after: bool) -> list[Any]:
    """The newest verdicts after, or before, a place in the ledger."""
    side = _COLUMNS.ledger_index > index if after else _COLUMNS.ledger_index < index
    columns = (_COLUMNS.host, _COLUMNS.verdict, _COLUMNS.policy_digest)
    query = select(*columns).where(side, _COLUMNS.canary.is_(False))
    query = query.order_by(_COLUMNS.ledger_index.desc()).limit(_WINDOW)
    return [*connection.execute(query)]


def _count(
    rows: Iterable[Any],
    digest: str,
    rings: Sequence[Ring],
    reached: frozenset[str] | None,
) -> Counts:
    """Verdicts by one policy on the hosts of the rings ``reached``, or on all."""
    counted = [
        row.verdict
        for row in rows
        if row.policy_digest == digest and (reached is None or ring_of(row.host, rings) in reached)
    ]
    return Counts(len(counted), sum(verdict != Verdict.ALLOW.value for verdict in counted))


class Watch:
    """Remembers since when each version has been watched in its present ring."""

    def __init__(self, ledger: Ledger, tolerance: Tolerance) -> None:
        self._ledger = ledger
        self._tolerance = tolerance
        self._watching: tuple[int, int] | None = None
        self._since = 0.0

    def judge(self, seen: Seen) -> Judgement:
        """What to do now."""
        watching = (seen.version.number, seen.version.ring_index)
        if watching != self._watching:
            self._watching, self._since = watching, time.monotonic()
        watched = timedelta(seconds=time.monotonic() - self._since)
        return judge(seen.new, seen.old, self._tolerance, seen.bake, watched)

    def act(self, connection: Connection, seen: Seen, judgement: Judgement) -> bool:
        """Take the step; False when the version is no longer as it was seen."""
        now = clock.now()
        found = store.find(connection, seen.version.number)
        if found != seen.version:
            return False
        if judgement is Judgement.GO_ON:
            store.promote(connection, self._ledger, found.number, [], now)
        elif judgement is Judgement.STOP:
            reason = entries.jump(seen.new, seen.old)
            store.roll_back(connection, self._ledger, found.number, reason, [], now)
        return True
