"""What the store knows of hosts and zones over time, by its indexes.

Rules enforced here:

1. Only entries of the few kinds that tell of guards and agents are read, host by host; nothing here
   walks through the ledger.
2. An agent is heard while its heartbeats are. Longer than a minute without one is silence, also
   when nobody was there to note it: while the controller was down, or is.
3. A host that was evicted or banned is not heard until it speaks again; that it may is not enough.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, true

from lockgate.controller import clock
from lockgate.controller.evidence.history import Cover, Facts, Told
from lockgate.controller.evidence.intervals import Interval, Intervals, union
from lockgate.controller.ledger.schema import ledger_entries
from lockgate.controller.store.schema import agents, sequence_gaps, zones
from lockgate.controller.stream.schema import agent_states
from lockgate.controller.zones import STATES
from lockgate.wire.transfer import GuardChange

_ENROLMENT = "enrolment"
#: Kinds of entries that an agent's own messages make.
_HEARD = ("verdict", "receipt", "guard", "agent-health", "stream-opened", _ENROLMENT, "renewal")
#: What ends the word of a host, and what begins it again.
_QUIET = ("silence", "evict", "ban")
_OPENED = "stream-opened"
_HEARD_AGAIN = ("silence-ended", _OPENED, "guard", _ENROLMENT)
#: How long an agent may say nothing: four heartbeats.
_PATIENCE = 60 * 1_000_000
_E = ledger_entries.c
_NEWEST = 2**63 - 1


def facts_of_host(
    connection: Connection, host: str, now: int, names: Iterable[str] = ()
) -> list[Facts]:
    """Every zone of a host, by name: those its agent told of, and those of ``names``."""
    told: dict[str, list[Told]] = {name: [] for name in names}
    for _, at, entry in _entries(connection, host, ("guard", _ENROLMENT)):
        if entry["kind"] == _ENROLMENT:
            for words in told.values():
                words.extend([Told(at, Cover.ENROLLED_ANEW)] if words else [])
        elif (state := STATES.get(GuardChange(entry["change"]))) is not None:
            told.setdefault(str(entry["zone"]), []).append(Told(at, Cover(state)))
    enrolled = _enrolled_at(connection, host)
    silent, lost = _silent(connection, host, now), _lost(connection, host)
    return [
        Facts(host, name, enrolled, tuple(words), silent, lost)
        for name, words in sorted(told.items())
    ]


def hosts_of_zones(connection: Connection, names: Collection[str] | None) -> list[str]:
    """The hosts that told of a zone of these names (None: of any), or of no zone at all."""
    here = true() if names is None else zones.c.zone.in_(list(names))
    told = connection.execute(select(zones.c.host).where(here).distinct()).scalars()
    mute = select(agents.c.host).where(agents.c.host.not_in(select(zones.c.host)))
    return sorted({*told, *connection.execute(mute).scalars()})


def expired_at(connection: Connection) -> int | None:
    """When evidence was dropped last because its time was over; None: never."""
    query = select(_E.at).where(_E.kind == "expired").order_by(_E.index.desc()).limit(1)
    return connection.execute(query).scalar()


def began_at(connection: Connection) -> int:
    """The time of the first entry; 0 for an empty ledger."""
    query = select(_E.at).where(_E.at.is_not(None)).order_by(_E.index).limit(1)
    return int(connection.execute(query).scalar() or 0)


def _entries(
    connection: Connection, host: str, kinds: Sequence[str]
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Index, time and content of the entries of one host."""
    query = select(_E.index, _E.at, _E.entry).where(_E.host == host, _E.kind.in_(kinds))
    for index, at, raw in connection.execute(query.order_by(_E.index)):
        if at is not None and raw:
            yield index, at, json.loads(raw)


def _enrolled_at(connection: Connection, host: str) -> int | None:
    query = select(_E.at).where(_E.host == host, _E.kind == _ENROLMENT).order_by(_E.index)
    return connection.execute(query.limit(1)).scalar()


def _silent(connection: Connection, host: str, now: int) -> Intervals:
    """From when an agent was heard last, or put out, until it was heard again or ``now``."""
    spans: list[Interval] = []
    since: int | None = None
    for _, at, entry in _entries(connection, host, (*_QUIET, *_HEARD_AGAIN)):
        if entry["kind"] in _HEARD_AGAIN:
            spans.extend([] if since is None else [(since, at)])
            since = None
        elif since is None:
            since = _micros(entry.get("heard_at"), at)
        if entry["kind"] == _OPENED:
            before = _micros(entry.get("heard_at"), at)
            spans.extend([(before, at)] if at - before > _PATIENCE else [])
    since = _last_heard(connection, host, now) if since is None else since
    return union(spans, [(since, now)] if now - since > _PATIENCE else [])


def _last_heard(connection: Connection, host: str, now: int) -> int:
    """The last heartbeat, or message of an agent that has no stream; ``now`` when there is none."""
    query = select(agent_states.c.heard_at).where(agent_states.c.host == host)
    beat: int | None = connection.execute(query).scalar()
    return _heard_before(connection, host, _NEWEST, now) if beat is None else beat


def _micros(time: object, otherwise: int) -> int:
    try:
        return clock.to_micros(datetime.fromisoformat(str(time)))
    except (ValueError, TypeError):
        return otherwise


def _lost(connection: Connection, host: str) -> Intervals:
    """For numbers that are still missing: from the last message before them to the next one."""
    still = connection.execute(
        select(sequence_gaps.c.first, sequence_gaps.c.last).where(sequence_gaps.c.host == host)
    ).all()
    spans = []
    for index, at, entry in _entries(connection, host, ("sequence-gap", "heartbeat-gap")):
        first, last = entry["first"], entry["last"]
        missing = any(gap.first <= last and first <= gap.last for gap in still)
        if missing or entry["kind"] == "heartbeat-gap":
            spans.append((_heard_before(connection, host, index, at), at))
    return union(spans)


def _heard_before(connection: Connection, host: str, index: int, at: int) -> int:
    """When the host was heard last before an entry; one look into the index for each kind."""
    times = []
    for kind in _HEARD:
        query = select(_E.at).where(_E.host == host, _E.kind == kind, _E.index < index)
        times.append(connection.execute(query.order_by(_E.index.desc()).limit(1)).scalar())
    return max((time for time in times if time is not None and time <= at), default=at)
