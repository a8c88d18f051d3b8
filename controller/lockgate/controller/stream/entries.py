"""What the ledger says of agents' streams and commands: one pure function per kind of entry.

Rules enforced here:

1. A path can name a person: entries name transfers, quarantine ids and zones. What an agent
   says of a failure in its own words stands in the store only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lockgate.controller.clock import rfc3339, text
from lockgate.controller.stream import beats
from lockgate.wire.agent import (
    Action,
    AgentHealth,
    Command,
    CommandOutcome,
    CommandReceipt,
    ForgetDecisions,
    QuarantineFile,
    Release,
    Rescan,
    Restore,
)


def stream_opened(
    host: str, version: str, capabilities: Sequence[str], heard_at: int | None, now: datetime
) -> dict[str, Any]:
    """An agent opened its stream; ``heard_at`` (micros): when it was heard before, if it was."""
    return {
        "kind": "stream-opened",
        "time": rfc3339(now),
        "host": host,
        "version": version,
        "capabilities": list(capabilities),
        "heard_at": text(heard_at),
    }


def heartbeats(host: str, odd: beats.Missing | beats.Rewound, now: datetime) -> dict[str, Any]:
    """Heartbeats are missing, or were counted again."""
    kind = "heartbeat-gap" if isinstance(odd, beats.Missing) else "heartbeat-rewound"
    return {"kind": kind, "time": rfc3339(now), "host": host, **numbers(odd)}


def numbers(odd: beats.Missing | beats.Rewound) -> dict[str, int]:
    """The numbers that are missing, or the step back."""
    match odd:
        case beats.Missing(first, last):
            return {"first": first, "last": last}
        case beats.Rewound(last, sequence):
            return {"from": last, "to": sequence}


def silence(host: str, heard_at: int, now: datetime) -> dict[str, Any]:
    """Nothing was heard of an agent since ``heard_at`` (micros)."""
    heard = text(heard_at)
    return {"kind": "silence", "time": rfc3339(now), "host": host, "heard_at": heard}


def silence_ended(host: str, since: int, now: datetime) -> dict[str, Any]:
    """A silent agent is heard again; ``since``: when it was heard before, in micros."""
    return {"kind": "silence-ended", "time": rfc3339(now), "host": host, "since": text(since)}


def agent_health(host: str, health: AgentHealth, now: datetime) -> dict[str, Any]:
    """An agent told another state, configuration or policy than before."""
    told = health_fields(health)
    return {"kind": "agent-health", "time": rfc3339(now), "host": host, **told}


def health_fields(health: AgentHealth) -> dict[str, Any]:
    """The tree of an agent's health."""
    return {
        "state": health.state.value,
        "reasons": list(health.reasons),
        "zones": [
            {"zone": zone.zone, "state": zone.state.value, "reasons": list(zone.reasons)}
            for zone in health.zones
        ],
        "configuration_digest": health.configuration_digest,
        "policy_digest": health.policy_digest,
    }


def command(told: Command, host: str, by: str, now: datetime) -> dict[str, Any]:
    """An agent is to do something; ``by``: who decided so."""
    return {
        "kind": "command",
        "time": rfc3339(now),
        "command_id": told.command_id,
        "host": host,
        "by": by,
        "expires": rfc3339(told.expire_time),
        **subject(told.action),
    }


def subject(action: Action) -> dict[str, Any]:
    """What a command is about, in words that name no person."""
    match action:
        case Release(transfer_id, sha256):
            return {"action": "release", "transfer_id": transfer_id, "sha256": sha256}
        case QuarantineFile(transfer_id, zone):
            return {"action": "quarantine", "transfer_id": transfer_id, "zone": zone.name}
        case Restore(quarantine_id, zone):
            return {"action": "restore", "quarantine_id": quarantine_id, "zone": zone.name}
        case Rescan(zone):
            return {"action": "rescan", "zone": zone.name}
        case ForgetDecisions():
            return {"action": "forget-decisions"}


def command_receipt(
    receipt: CommandReceipt, host: str, now: datetime, *, known: bool, late: bool
) -> dict[str, Any]:
    """An agent said what it did; ``late``: after the command had counted as expired."""
    return {
        "kind": "command-receipt",
        "time": rfc3339(now),
        "command_id": receipt.command_id,
        "host": host,
        "outcome": receipt.outcome.value,
        "finish_time": rfc3339(receipt.finish_time),
        "known": known,
        "late": late,
    }


def command_given_up(
    command_id: str, host: str, action: str, why: CommandOutcome, now: datetime
) -> dict[str, Any]:
    """A command is not waited for any more: expired, or beyond what its agent can do."""
    return {
        "kind": f"command-{why.value}",
        "time": rfc3339(now),
        "command_id": command_id,
        "host": host,
        "action": action,
    }
