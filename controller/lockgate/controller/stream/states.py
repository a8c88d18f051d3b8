"""What the store keeps of agents that have a stream.

Rules enforced here:

1. An opened stream, a missing or repeated heartbeat, a silence and its end, and every change of
   an agent's health are ledger entries; heartbeats as such are not.
2. Missing heartbeats and silence are alerts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from lockgate.controller import clock
from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import HIGH, INFORMATIONAL, MEDIUM
from lockgate.controller.records import Ledger
from lockgate.controller.store.schema import agents
from lockgate.controller.stream import beats, entries
from lockgate.controller.stream.hub import Heard
from lockgate.controller.stream.schema import agent_states
from lockgate.wire.agent import AgentHealth, Capability

# Statements of the hot path are built once: building costs more than the database's work.
_KNOWN = select(agent_states).where(agent_states.c.host == bindparam("host"))
_BEAT = (
    update(agent_states)
    .where(agent_states.c.host == bindparam("at_host"))
    .values(last_beat=bindparam("beat"), heard_at=bindparam("micros"))
)


def opened(
    connection: Connection,
    ledger: Ledger,
    host: str,
    version: str,
    capabilities: Iterable[Capability],
    now: datetime,
) -> int:
    """Record that a stream was opened; the number of the agent's last heartbeat."""
    words = sorted(capability.value for capability in capabilities)
    micros = clock.to_micros(now)
    row = connection.execute(_KNOWN, {"host": host}).first()
    heard_at = None if row is None else int(row.heard_at)
    ledger.append(connection, entries.stream_opened(host, version, words, heard_at, now))
    told = {"version": version, "capabilities": json.dumps(words), "connected_at": micros}
    if row is None:
        connection.execute(insert(agent_states).values(host=host, heard_at=micros, **told))
        return 0
    if row.silent_since is not None:
        _speaks_again(connection, ledger, host, row.silent_since, now)
    this = update(agent_states).where(agent_states.c.host == host)
    connection.execute(this.values(heard_at=micros, silent_since=None, **told))
    return int(row.last_beat)


def _speaks_again(
    connection: Connection, ledger: Ledger, host: str, since: int, now: datetime
) -> None:
    index = ledger.append(connection, entries.silence_ended(host, since, now))
    fields = {"event": "silence-ended", "since": clock.text(since)}
    message = "The agent is heard again."
    _alert(connection, f"{host} is heard again", message, host, INFORMATIONAL, index, fields, now)


def keep(connection: Connection, ledger: Ledger, heard: Mapping[str, Heard], now: datetime) -> None:
    """Keep what was heard of many agents."""
    rows = [{"at_host": h, "beat": one.sequence, "micros": one.micros} for h, one in heard.items()]
    connection.execute(_BEAT, rows)
    for host, one in heard.items():
        for odd in one.odd:
            _odd(connection, ledger, host, odd, now)
        if one.health is not None:
            _health(connection, ledger, host, one.health, now)


def _odd(
    connection: Connection,
    ledger: Ledger,
    host: str,
    odd: beats.Missing | beats.Rewound,
    now: datetime,
) -> None:
    entry = entries.heartbeats(host, odd, now)
    index = ledger.append(connection, entry)
    fields = {"event": entry["kind"], **entries.numbers(odd)}
    is_gap = isinstance(odd, beats.Missing)
    title = f"heartbeats {'missing' if is_gap else 'repeated'}: {host}"
    message = (
        "Heartbeats of the agent did not come, although its stream was open."
        if is_gap
        else "The agent counts its heartbeats again: it lost its state, or its key was copied."
    )
    _alert(connection, title, message, host, MEDIUM, index, fields, now)


def _health(
    connection: Connection, ledger: Ledger, host: str, health: AgentHealth, now: datetime
) -> None:
    """Keep an agent's health, and record it when it is another than the last one."""
    told = json.dumps(entries.health_fields(health), ensure_ascii=False, sort_keys=True)
    row = connection.execute(_KNOWN, {"host": host}).first()
    if row is not None and row.health == told:
        return
    ledger.append(connection, entries.agent_health(host, health, now))
    this = update(agent_states).where(agent_states.c.host == host)
    connection.execute(this.values(health=told, health_at=clock.to_micros(now)))


def marks(connection: Connection) -> list[tuple[str, int]]:
    """Every agent that is expected to speak, with when it was heard; none is turned away."""
    expected = select(agent_states.c.host, agent_states.c.heard_at).where(
        agent_states.c.silent_since.is_(None)
    )
    expected = expected.join(agents, agents.c.host == agent_states.c.host).where(
        agents.c.banned_at.is_(None), agents.c.evicted_at.is_(None)
    )
    return [(row.host, row.heard_at) for row in connection.execute(expected)]


def silent(connection: Connection, ledger: Ledger, heard: Mapping[str, int], now: datetime) -> int:
    """Record the silence of agents last heard at these times; how many are silent.

    One that was heard since, by another controller too, is not.
    """
    count = 0
    for host, heard_at in heard.items():
        done = connection.execute(
            update(agent_states)
            .where(
                agent_states.c.host == host,
                agent_states.c.heard_at == heard_at,
                agent_states.c.silent_since.is_(None),
            )
            .values(silent_since=heard_at)
        )
        if done.rowcount:
            count += 1
            index = ledger.append(connection, entries.silence(host, heard_at, now))
            fields = {"event": "silence", "heard_at": clock.text(heard_at)}
            message = "Nothing is heard of the agent: it ended, hangs, or cannot reach us."
            _alert(connection, f"{host} is silent", message, host, HIGH, index, fields, now)
    return count


def _alert(
    connection: Connection,
    title: str,
    message: str,
    host: str,
    severity: int,
    index: int,
    fields: Mapping[str, Any],
    now: datetime,
) -> None:
    alert = notice_event(title, message, host, severity, index, fields, now)
    outbox.put(connection, alert, index, clock.to_micros(now))
