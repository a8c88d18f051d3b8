"""Searching the ledger by what its entries say, newest first, a page at a time.

Rules enforced here:

1. Every condition has an index; a page costs what it shows, not what the ledger holds.
2. An entry that has expired is shown with its hash and what it is found by, and says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from lockgate.controller import clock
from lockgate.controller.ledger.schema import ledger_entries
from lockgate.controller.store.schema import findings, verdicts

MOST = 1000
#: The most bytes of entries on a page; the first is always shown.
_MOST_BYTES = 2_000_000
_E = ledger_entries.c


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entry must say; empty fields ask for nothing. Times in micros, ``until`` excluded.

    ``person`` is an id. ``before``: only entries with a smaller index.
    """

    host: str = ""
    zone: str = ""
    kind: str = ""
    transfer: str = ""
    fingerprint: str = ""
    sha256: str = ""
    person: str = ""
    since: int | None = None
    until: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry with what it is found by; ``entry`` is empty when it has expired."""

    index: int
    entry: bytes
    leaf_hash: bytes
    kind: str | None
    at: int | None
    host: str | None
    zone: str | None
    transfer_id: str | None
    person: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; ``older``: the ``before`` of the next page, None at the end."""

    entries: tuple[Found, ...]
    older: int | None


def search(connection: Connection, wanted: Wanted, limit: int) -> Page:
    """At most ``limit`` entries (and never more than :data:`MOST`)."""
    most = min(limit, MOST)
    rows = connection.execute(_query(wanted).limit(most + 1)).mappings()
    found = [Found(**row) for row in rows]
    shown = found[:most]
    while len(shown) > 1 and sum(len(one.entry) for one in shown) > _MOST_BYTES:
        del shown[len(shown) // 2 :]
    return Page(tuple(shown), shown[-1].index if len(found) > len(shown) else None)


def _query(wanted: Wanted) -> Select[Any]:
    return select(ledger_entries).where(*_conditions(wanted)).order_by(_E.index.desc())


def as_row(found: Found) -> dict[str, Any]:
    """An entry as commands print it."""
    return {
        "index": found.index,
        "kind": found.kind,
        "time": clock.text(found.at),
        "host": found.host,
        "zone": found.zone,
        "transfer_id": found.transfer_id,
        "person": found.person,
        "leaf_hash": found.leaf_hash.hex(),
        "expired": not found.entry,
        "entry": json.loads(found.entry) if found.entry else None,
    }


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    exact = {
        _E.host: wanted.host,
        _E.zone: wanted.zone,
        _E.kind: wanted.kind,
        _E.transfer_id: wanted.transfer,
        _E.person: wanted.person,
    }
    found = [column == value for column, value in exact.items() if value]
    if wanted.fingerprint:
        mine = select(verdicts.c.transfer_id).join(
            findings, findings.c.ledger_index == verdicts.c.ledger_index
        )
        found.append(_of_transfers(mine.where(findings.c.fingerprint == wanted.fingerprint)))
    if wanted.sha256:
        mine = select(verdicts.c.transfer_id).where(verdicts.c.sha256 == wanted.sha256)
        found.append(_of_transfers(mine))
    if wanted.since is not None:
        found.append(_E.at >= wanted.since)
    if wanted.until is not None:
        found.append(_E.at < wanted.until)
    if wanted.before is not None:
        found.append(_E.index < wanted.before)
    return found


def _of_transfers(transfers: Select[tuple[str]]) -> ColumnElement[bool]:
    return _E.transfer_id.in_(transfers)
