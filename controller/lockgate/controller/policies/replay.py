"""Replays: past transfers decided again by a policy that is not in force.

Rules enforced here:

1. Nothing is written: not a verdict, not an incident, not an alert.
2. Transfers are read in batches, each on a connection of its own, and time is left for others
   between two batches: decisions are not held up.
3. A report is judged as it was stored, with the keys that are protected and ruled on now; a
   transfer whose report cannot be read any more is counted, not guessed at. An opener that was
   erased is one that could not be read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, select

from lockgate.controller.clock import from_micros, to_micros
from lockgate.controller.known_keys import KnownKeys
from lockgate.controller.store.schema import verdicts
from lockgate.policy import Policy, decide
from lockgate.scan.report import Report
from lockgate.v1 import report_pb2
from lockgate.wire import convert
from lockgate.wire.bounds.policy import MOST_EXAMPLES
from lockgate.wire.transfer import Boundary, Decision, FileIdentity, Opener, Transfer, Zone

_BATCH = 100
#: Between two batches, as a share of the time that the last one took.
_REST = 1.0
_COLUMNS = verdicts.c


@dataclass(frozen=True, slots=True)
class Said:
    """What was decided: the part that a replay compares, and the rule behind it."""

    verdict: str
    hold_reason: str
    rule: str

    def differs(self, other: Said) -> bool:
        """Whether another decision would have other consequences."""
        return (self.verdict, self.hold_reason) != (other.verdict, other.hold_reason)


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Transfers that are alike for whoever reads a replay."""

    zone: str
    host: str
    classes: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """How many transfers of a group changed in one way, and some of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """What a replay found."""

    transfers: int = 0
    changed: int = 0
    unreadable: int = 0
    changes: dict[tuple[Group, Said, Said], Tally] = field(default_factory=dict)


def replay(
    reader: Engine,
    policy: Policy,
    known: KnownKeys,
    *,
    since: datetime | None,
    limit: int,
) -> Replayed:
    """Decide the newest ``limit`` transfers since then again, newest first."""
    found = Replayed()
    earliest = 0 if since is None else to_micros(since)
    for rows in _batches(reader, earliest, limit):
        began = time.monotonic()
        for row in rows:
            _add(found, row, policy, known)
        time.sleep((time.monotonic() - began) * _REST)
    return found


def _batches(reader: Engine, earliest: int, limit: int) -> Iterator[Iterable[Row[Any]]]:
    below, left = None, limit
    while left > 0:
        query = select(verdicts).order_by(_COLUMNS.ledger_index.desc()).limit(min(_BATCH, left))
        if below is not None:
            query = query.where(_COLUMNS.ledger_index < below)
        with reader.connect() as connection:
            rows = connection.execute(query).all()
        recent = [row for row in rows if row.decided_at >= earliest]
        yield recent
        if not rows or len(recent) < len(rows):
            return
        below, left = rows[-1].ledger_index, left - len(rows)


def _add(found: Replayed, row: Row[Any], policy: Policy, known: KnownKeys) -> None:
    now = from_micros(row.decided_at)
    try:
        transfer = _transfer(row)
        message = report_pb2.Report.FromString(row.report or b"\xff")
        report = known.protected.apply(convert.report_from_wire(message, transfer.path))
    except Exception:  # noqa: BLE001  (protobuf and old rows; whatever cannot be read is counted)
        found.unreadable += 1
        return
    found.transfers += 1
    old = Said(row.verdict, row.hold_reason or "", row.rule)
    triaged = known.rulings.apply(report, now)
    new = _said(triaged.bound(decide(triaged.report, transfer, policy, now)))
    if old.differs(new):
        found.changed += 1
        group = Group(row.zone, row.host, _classes(report))
        tally = found.changes.setdefault((group, old, new), Tally())
        tally.count += 1
        if len(tally.examples) < MOST_EXAMPLES:
            tally.examples.append(row.transfer_id)


def _said(decision: Decision) -> Said:
    reason = decision.hold_reason
    return Said(decision.verdict.value, "" if reason is None else reason.value, decision.rule)


def _classes(report: Report) -> tuple[str, ...]:
    classes = sorted({finding.class_.value for finding in report.findings})
    return (*classes, *(["gap"] if report.gaps else [])) or ("clean",)


def _transfer(row: Row[Any]) -> Transfer:
    opener = None if row.opener is None else json.loads(row.opener)
    if opener is not None:
        opener = Opener(**{**opener, "parents": tuple(opener.get("parents", ()))})
    return Transfer(
        transfer_id=row.transfer_id,
        zone=Zone(row.zone, signing=row.zone_signing),
        host=row.host,
        boundary=Boundary(row.boundary),
        path=row.path or "",
        identity=FileIdentity(**json.loads(row.identity)),
        opener=opener,
        attempt_time=from_micros(row.attempted_at),
    )
