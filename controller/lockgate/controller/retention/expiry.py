"""Expiry: the clear rows go first, and their ledger entries' bytes once that is signed for.

Rules enforced here:

1. What expires is listed in a ledger entry, ``expired``, in the transaction that deletes the rows.
   The entries' own bytes are dropped only when a signed checkpoint covers that entry: a verifier
   never finds a hole that nobody has signed for. The hashes stay, and with them every proof.
2. A transfer expires by the class that is kept longest, unless a legal hold touches it.
3. Work is done in small units, each row is looked at once for each class, and a row whose own time
   lies in the future stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries
from lockgate.controller.records import Ledger
from lockgate.controller.retention import holds
from lockgate.controller.retention.holds import Holds
from lockgate.controller.retention.schema import expiries, retention_cursors, retention_periods
from lockgate.controller.retention.settings import Kept, kept_as
from lockgate.controller.store.schema import alerts, findings, receipts, verdicts
from lockgate.scan.report import FindingClass, Outcome

#: Decisions looked at in one unit of work.
BATCH = 200
#: Ranges that one ledger entry lists; it must fit into a bundle.
_MOST_RANGES = 1000
_MOST_KEYS = 500

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """What one unit of work did; ``more``: the class has not been looked through."""

    expired: int
    more: bool


def decided_periods(connection: Connection) -> dict[str, int]:
    """The days that people have approved, by class."""
    rows = connection.execute(select(retention_periods)).mappings()
    return {row["class"]: row["days"] for row in rows}


def step(
    connection: Connection, ledger: Ledger, kept: Kept, days: Mapping[Kept, int], now: datetime
) -> Step:
    """Look at the next decisions for one class, and let expire what is due."""
    cursor = _cursor(connection, kept)
    rows = connection.execute(
        select(verdicts)
        .where(verdicts.c.ledger_index > cursor)
        .order_by(verdicts.c.ledger_index)
        .limit(BATCH)
    ).all()
    due_before = to_micros(now - timedelta(days=days[kept]))
    looked = _until_young(rows, due_before, to_micros(now))
    if not looked:
        return Step(0, more=False)
    keys = _keys(connection, [row.ledger_index for row in looked])
    in_force = holds.in_force(connection)
    due = [
        row
        for row in looked
        if row.decided_at < due_before
        and _kept_as(row, keys, days) is kept
        and not _is_held(row, keys, in_force)
    ]
    indexes = _delete(connection, due)
    _record(connection, ledger, kept, indexes, now)
    _set_cursor(connection, kept, looked[-1].ledger_index)
    return Step(len(due), more=len(looked) == BATCH)


def _until_young(rows: Sequence[Row[Any]], due_before: int, now: int) -> Sequence[Row[Any]]:
    """The rows before the first that is not due yet; one from the future holds up nothing."""
    for place, row in enumerate(rows):
        if due_before <= row.decided_at <= now:
            return rows[:place]
    return rows


def _keys(connection: Connection, indexes: Sequence[int]) -> dict[int, dict[str, FindingClass]]:
    """Fingerprints and classes of what was found, by decision."""
    found: dict[int, dict[str, FindingClass]] = {}
    columns = (findings.c.ledger_index, findings.c.fingerprint, findings.c["class"])
    for index, key, word in connection.execute(
        select(*columns).where(findings.c.ledger_index.in_(indexes))
    ):
        found.setdefault(index, {})[key] = FindingClass(word)
    return found


def _kept_as(
    row: Row[Any], keys: Mapping[int, Mapping[str, FindingClass]], days: Mapping[Kept, int]
) -> Kept:
    return kept_as(keys.get(row.ledger_index, {}).values(), Outcome(row.outcome), days)


def _is_held(row: Row[Any], keys: Mapping[int, Mapping[str, FindingClass]], placed: Holds) -> bool:
    return placed.stop(row.host, row.zone, row.transfer_id, keys.get(row.ledger_index, {}).keys())


def _delete(connection: Connection, due: Sequence[Row[Any]]) -> list[int]:
    """Delete the rows of these decisions; the ledger indexes that have expired."""
    indexes = [row.ledger_index for row in due]
    if not indexes:
        return []
    connection.execute(delete(findings).where(findings.c.ledger_index.in_(indexes)))
    connection.execute(delete(verdicts).where(verdicts.c.ledger_index.in_(indexes)))
    gone = {row.transfer_id for row in due}
    gone -= set(
        connection.execute(
            select(verdicts.c.transfer_id).where(verdicts.c.transfer_id.in_(gone))
        ).scalars()
    )
    mine = receipts.c.transfer_id.in_(gone)
    indexes += connection.execute(select(receipts.c.ledger_index).where(mine)).scalars()
    connection.execute(delete(receipts).where(mine))
    for start in range(0, len(indexes), _MOST_KEYS):
        told = alerts.c.ledger_index.in_(indexes[start : start + _MOST_KEYS])
        connection.execute(delete(alerts).where(told))
    return indexes


def _record(
    connection: Connection, ledger: Ledger, kept: Kept, indexes: Iterable[int], now: datetime
) -> None:
    ranges = ranges_of(indexes)
    for start in range(0, len(ranges), _MOST_RANGES):
        part = ranges[start : start + _MOST_RANGES]
        entry = {
            "kind": "expired",
            "time": rfc3339(now),
            "class": kept.value,
            "entries": sum(last - first + 1 for first, last in part),
            "ranges": [list(pair) for pair in part],
        }
        index = ledger.append(connection, entry)
        text = json.dumps(part)
        connection.execute(insert(expiries).values(ledger_index=index, ranges=text))


def ranges_of(indexes: Iterable[int]) -> list[Range]:
    """Indexes as pairs of first and last."""
    found: list[Range] = []
    for index in sorted(set(indexes)):
        if found and index == found[-1][1] + 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found


def _cursor(connection: Connection, kept: Kept) -> int:
    query = select(retention_cursors.c.ledger_index).where(
        retention_cursors.c["class"] == kept.value
    )
    found = connection.execute(query).scalar()
    return -1 if found is None else int(found)


def _set_cursor(connection: Connection, kept: Kept, index: int) -> None:
    here = retention_cursors.c["class"] == kept.value
    done = connection.execute(update(retention_cursors).where(here).values(ledger_index=index))
    if done.rowcount == 0:
        values = {"class": kept.value, "ledger_index": index}
        connection.execute(insert(retention_cursors).values(values))


@dataclass(frozen=True, slots=True)
class Droppable:
    """Ranges whose expiry is signed for; ``entry``: the ledger entry that lists them."""

    entry: int
    ranges: tuple[Range, ...]


def droppable(connection: Connection) -> list[Droppable]:
    """What may be dropped now."""
    covered = select(func.max(ledger_checkpoints.c.size)).scalar_subquery()
    rows = connection.execute(select(expiries).where(expiries.c.ledger_index < covered))
    return [
        Droppable(row.ledger_index, tuple((first, last) for first, last in json.loads(row.ranges)))
        for row in rows
    ]


def drop(connection: Connection, ranges: Iterable[Range]) -> None:
    """Empty the bytes of these entries; hashes and what they are found by stay."""
    for first, last in ranges:
        index = ledger_entries.c.index
        here = (index >= first) & (index <= last)
        connection.execute(update(ledger_entries).where(here).values(entry=b""))


def forget(connection: Connection, entry: int) -> None:
    """Store and tiles no longer hold what this entry lists."""
    connection.execute(delete(expiries).where(expiries.c.ledger_index == entry))
