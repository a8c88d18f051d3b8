"""Hosts and commands as the store keeps them, as messages.

Rules enforced here: only reads; a time that is not kept is absent, never a zero.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Row, func, select

from lockgate.controller.clock import from_micros
from lockgate.controller.store.schema import agents, certificates
from lockgate.controller.stream.schema import agent_states, commands
from lockgate.v1 import agent_pb2, host_pb2
from lockgate.wire import convert
from lockgate.wire.agent import AgentHealth, Capability, CommandOutcome, GuardState, ZoneHealth
from lockgate.wire.bounds.host import MOST_COMMANDS, MOST_HOSTS
from lockgate.wire.convert.agent import CAPABILITIES, COMMAND_OUTCOMES
from lockgate.wire.convert.values import SENTENCE_TEXT, cut, timestamp


def hosts(connection: Connection, after: str) -> list[host_pb2.Host]:
    """The enrolled hosts whose names sort after ``after``, by name; a page of them."""
    expiry = (
        select(certificates.c.host, func.max(certificates.c.expires_at).label("expires_at"))
        .where(certificates.c.revoked_at.is_(None))
        .group_by(certificates.c.host)
        .subquery()
    )
    rows = connection.execute(
        select(agents, expiry.c.expires_at)
        .outerjoin(expiry, expiry.c.host == agents.c.host)
        .where(agents.c.host > after)
        .order_by(agents.c.host)
        .limit(MOST_HOSTS)
    ).all()
    told = select(agent_states).where(agent_states.c.host.in_([row.host for row in rows]))
    present = {row.host: row for row in connection.execute(told)}
    return [_host(row, present.get(row.host)) for row in rows]


def sent_commands(connection: Connection, host: str) -> list[host_pb2.SentCommand]:
    """The newest commands, the newest last; of one host, or with an empty name of all."""
    newest = select(commands).order_by(commands.c.command_id.desc()).limit(MOST_COMMANDS)
    if host:
        newest = newest.where(commands.c.host == host)
    return [_command(row) for row in connection.execute(newest).all()[::-1]]


def _host(row: Row[Any], state: Row[Any] | None) -> host_pb2.Host:
    return host_pb2.Host(
        name=row.host,
        enrol_time=_time(row.enrolled_at),
        call_time=_time(row.last_seen_at),
        certificate_expire_time=_time(row.expires_at),
        ban_time=_time(row.banned_at),
        ban_reason=cut(row.ban_reason or "", SENTENCE_TEXT),
        evict_time=_time(row.evicted_at),
        evict_reason=cut(row.evict_reason or "", SENTENCE_TEXT),
        presence=None if state is None else _presence(state),
    )


def _presence(row: Row[Any]) -> host_pb2.AgentPresence:
    known = [CAPABILITIES.number(Capability(word)) for word in json.loads(row.capabilities)]
    return host_pb2.AgentPresence(
        version=row.version,
        capabilities=known,
        connect_time=_time(row.connected_at),
        hear_time=_time(row.heard_at),
        silent_since=_time(row.silent_since),
        last_heartbeat=row.last_beat,
        health=None if row.health is None else _health(row.health),
        health_time=_time(row.health_at),
    )


def _health(text: str) -> agent_pb2.AgentHealth:
    told = json.loads(text)
    zones = tuple(
        ZoneHealth(zone["zone"], GuardState(zone["state"]), tuple(zone["reasons"]))
        for zone in told["zones"]
    )
    health = AgentHealth(
        state=GuardState(told["state"]),
        reasons=tuple(told["reasons"]),
        zones=zones,
        configuration_digest=told["configuration_digest"],
        policy_digest=told["policy_digest"],
    )
    return convert.health_to_wire(health)


def _command(row: Row[Any]) -> host_pb2.SentCommand:
    outcome = None if row.outcome is None else COMMAND_OUTCOMES.number(CommandOutcome(row.outcome))
    return host_pb2.SentCommand(
        command_id=row.command_id,
        host=row.host,
        action=row.action,
        sent_by=row.sent_by,
        send_time=_time(row.created_at),
        expire_time=_time(row.expires_at),
        deliver_time=_time(row.delivered_at),
        finish_time=_time(row.finished_at),
        outcome=outcome,
        detail=row.detail or "",
    )


def _time(micros: int | None) -> Timestamp | None:
    return None if micros is None else timestamp(from_micros(micros))
