"""Where a key has been, who read it, since when, until when, and when nobody was looking.

Rules enforced here:

1. A reader is somebody who got a file with the key in it: the opener of a receipt that says so.
   What the ledger cannot know of (readers older than the guard's mark, readers on a zone that was
   not guarded) is said, never left out.
2. The times without evidence are those of every host that told of a zone in which the key was or
   may be, or told of none at all, not only of the hosts where it was found. For a key that was
   never found and may be anywhere they are those of every host.
3. Lists are bounded; what is not shown is counted. What has expired is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, select

from lockgate.controller import clock
from lockgate.controller.evidence import reading
from lockgate.controller.evidence.history import without_evidence
from lockgate.controller.registry.schema import registry_keys
from lockgate.controller.store.schema import findings, incidents, receipts, verdicts
from lockgate.wire.transfer import Enforcement

#: Receipts by which an opener got the file.
READ = (Enforcement.ALLOWED, Enforcement.NOT_ENFORCED, Enforcement.RESTORED)
#: The most of anything in one answer; hosts are so many times as many as other things.
MOST = 1000
_HOSTS_FOR_EACH = 10

NOT_KNOWN = (
    "Readers that held the file open, or had it mapped, before the guard was put on.",
    "Readers at the times listed as without evidence.",
    "What root of a host read past the guard.",
    "Copies made of a file by whoever was allowed to read it.",
    "Hosts that were never enrolled here.",
)
#: Zones that one sentence names.
_NAMED = 20
_FINGERPRINT = re.compile(r"(hmac-sha256|blob-sha256|sha256):[0-9a-f]{64}")


class UnknownKeyError(LookupError):
    """Nothing here is known by that fingerprint or name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A key by fingerprint or registered name; times in micros, None: since the ledger began."""

    key: str
    since: int | None
    until: int
    limit: int = 100


def key_history(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The whole answer, ready for JSON.

    Raises:
        UnknownKeyError: see there.
    """
    keys = fingerprints(connection, asked.key)
    since = reading.began_at(connection) if asked.since is None else asked.since
    seen = (
        select(verdicts)
        .join(findings, findings.c.ledger_index == verdicts.c.ledger_index)
        .where(findings.c.fingerprint.in_(keys))
        .where(verdicts.c.decided_at >= since, verdicts.c.decided_at < asked.until)
    )
    places = _places(connection, seen)
    names = {place["zone"] for place in places} | _registered_zones(connection, keys)
    hosts = {
        *(place["host"] for place in places),
        *reading.hosts_of_zones(connection, names or None),
    }
    shown = sorted(hosts)[: min(asked.limit * _HOSTS_FOR_EACH, MOST)]
    return {
        "asked": asked.key,
        "since": clock.text(since),
        "until": clock.text(asked.until),
        "keys": _keys(connection, keys),
        "seen": _seen(connection, seen),
        "places": places,
        "files": _files(connection, seen, min(asked.limit, MOST)),
        "transfers": _transfers(connection, seen, min(asked.limit, MOST)),
        "readers": _readers(connection, seen, min(asked.limit, MOST)),
        "not_known": _not_known(connection, names),
        "hosts": {"count": len(hosts), "shown": len(shown)},
        "without_evidence": _without_evidence(connection, shown, names, places, since, asked.until),
    }


def fingerprints(connection: Connection, key: str) -> list[str]:
    """The fingerprints that a fingerprint or a registered name means.

    Raises:
        UnknownKeyError: see there.
    """
    if _FINGERPRINT.fullmatch(key):
        return [key]
    named = [
        select(registry_keys.c.fingerprint).where(registry_keys.c.name == key),
        select(incidents.c.fingerprint).where(incidents.c.protected_name == key),
    ]
    found = {one for query in named for one in connection.execute(query).scalars()}
    if not found:
        raise UnknownKeyError(f"{key}: no key is known by this fingerprint or name")
    return sorted(found)


def _registered_zones(connection: Connection, keys: Sequence[str]) -> set[str]:
    """The zones where these keys may be."""
    query = select(registry_keys.c.zones).where(registry_keys.c.fingerprint.in_(keys))
    return {zone for text in connection.execute(query).scalars() for zone in json.loads(text)}


def _not_known(connection: Connection, names: Collection[str]) -> list[str]:
    """What nobody can answer for, in sentences."""
    said = list(NOT_KNOWN)
    if names:
        said.append(f"Zones other than {', '.join(sorted(names)[:_NAMED])}.")
    expired = reading.expired_at(connection)
    if expired is not None:
        said.append(
            f"Transfers whose evidence was not kept longer, lastly at {clock.text(expired)}."
        )
    return said


def _keys(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    columns = (
        incidents.c.fingerprint,
        incidents.c.protected_name.label("name"),
        incidents.c["class"],
        incidents.c.algorithm,
        incidents.c.bits,
        incidents.c.first_seen_at,
        incidents.c.last_seen_at,
        incidents.c.sightings,
    )
    known = connection.execute(select(*columns).where(incidents.c.fingerprint.in_(keys))).mappings()
    rows = {row["fingerprint"]: {**row, **_times(row), "incident": True} for row in known}
    return [rows.get(key, {"fingerprint": key, "incident": False}) for key in keys]


def _times(row: RowMapping) -> dict[str, str | None]:
    """What the incident itself remembers, however long ago its transfers have expired."""
    return {name: clock.text(row[name]) for name in ("first_seen_at", "last_seen_at")}


def _seen(connection: Connection, seen: Select[Any]) -> dict[str, Any]:
    part = seen.subquery()
    row = connection.execute(
        select(
            func.count(part.c.transfer_id.distinct()).label("transfers"),
            func.min(part.c.decided_at).label("first"),
            func.max(part.c.decided_at).label("last"),
        )
    ).one()
    first, last = clock.text(row.first), clock.text(row.last)
    return {"transfers": row.transfers, "first": first, "last": last}


def _places(connection: Connection, seen: Select[Any]) -> list[dict[str, Any]]:
    """Hosts and zones with what was decided there."""
    part = seen.subquery()
    rows = connection.execute(
        select(
            part.c.host,
            part.c.zone,
            part.c.verdict,
            func.count().label("count"),
            func.min(part.c.decided_at).label("first"),
            func.max(part.c.decided_at).label("last"),
        )
        .group_by(part.c.host, part.c.zone, part.c.verdict)
        .order_by(part.c.host, part.c.zone, part.c.verdict)
        .limit(MOST)
    )
    places: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        new = {"host": row.host, "zone": row.zone, "first": row.first, "last": row.last}
        place = places.setdefault((row.host, row.zone), {**new, "verdicts": {}})
        place["verdicts"][row.verdict] = row.count
        place["first"], place["last"] = min(place["first"], row.first), max(place["last"], row.last)
    return [
        {**place, "first": clock.text(place["first"]), "last": clock.text(place["last"])}
        for place in places.values()
    ]


def _files(connection: Connection, seen: Select[Any], limit: int) -> dict[str, Any]:
    """Contents by SHA-256 with the paths that were not erased."""
    part = seen.subquery()
    names = select(part.c.sha256, part.c.size, part.c.host, part.c.path).distinct()
    count = connection.execute(select(func.count()).select_from(names.subquery())).scalar()
    ordered = names.order_by(part.c.sha256, part.c.host, part.c.path)
    rows = connection.execute(ordered.limit(limit))
    files: dict[str | None, dict[str, Any]] = {}
    for row in rows:
        new = {"sha256": row.sha256, "size": row.size, "paths": [], "erased_paths": False}
        file = files.setdefault(row.sha256, new)
        if row.path is None:
            file["erased_paths"] = True
        else:
            file["paths"].append(f"{row.host}:{row.path}")
    return {"count": count, "shown": list(files.values())}


def _transfers(connection: Connection, seen: Select[Any], limit: int) -> list[dict[str, Any]]:
    rows = connection.execute(seen.order_by(verdicts.c.ledger_index.desc()).limit(limit))
    return [
        {
            "transfer_id": row.transfer_id,
            "ledger_index": row.ledger_index,
            "decided_at": clock.text(row.decided_at),
            "host": row.host,
            "zone": row.zone,
            "boundary": row.boundary,
            "path": row.path,
            "erased": row.personal_salt is None,
            "sha256": row.sha256,
            "verdict": row.verdict,
            "rule": row.rule,
        }
        for row in rows
    ]


def _readers(connection: Connection, seen: Select[Any], limit: int) -> dict[str, Any]:
    mine = receipts.c.transfer_id.in_(seen.with_only_columns(verdicts.c.transfer_id))
    words = [word.value for word in READ]
    got = select(receipts).where(mine, receipts.c.enforcement.in_(words))
    count = connection.execute(select(func.count()).select_from(got.subquery())).scalar()
    rows = connection.execute(got.order_by(receipts.c.ledger_index.desc()).limit(limit))
    shown = [
        {
            "transfer_id": row.transfer_id,
            "ledger_index": row.ledger_index,
            "time": clock.text(row.enforced_at),
            "host": row.host,
            "path": row.path,
            "enforcement": row.enforcement,
            "opener": None if row.opener is None else json.loads(row.opener),
            "erased": row.personal_salt is None,
        }
        for row in rows
    ]
    return {"count": count, "shown": shown}


def _without_evidence(
    connection: Connection,
    hosts: Sequence[str],
    names: Collection[str],
    places: Sequence[dict[str, Any]],
    since: int,
    until: int,
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for host in hosts:
        here = [place["zone"] for place in places if place["host"] == host]
        known = reading.facts_of_host(connection, host, until, here)
        for facts in known or reading.facts_of_host(connection, host, until, [""]):
            if names and facts.zone and facts.zone not in names:
                continue
            found.extend(
                {
                    "host": host,
                    "zone": facts.zone,
                    "from": clock.text(start),
                    "until": clock.text(end),
                    "why": cover.value,
                    "explanation": cover.explanation,
                }
                for start, end, cover in without_evidence(facts, since, until)
            )
    return found
