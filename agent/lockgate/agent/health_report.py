"""What the controller is told of this agent's health: made from what status shows. Pure.

Rules enforced here:

1. The controller sees what the operator at the host sees: the same states, the same reasons.
2. The digest of the configuration covers every setting as it is in effect, wherever it came from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.agent.config import AgentSettings
from lockgate.agent.health import worst
from lockgate.wire.agent import AgentHealth, GuardState, ZoneHealth


def zone_healths(zones: Sequence[Mapping[str, Any]]) -> tuple[ZoneHealth, ...]:
    """The zones as status shows them."""
    return tuple(
        ZoneHealth(zone["name"], GuardState(zone["state"]), tuple(zone["reasons"]))
        for zone in zones
    )


def health_of(
    zones: Sequence[Mapping[str, Any]], weaknesses: Sequence[str], configuration_digest: str
) -> AgentHealth:
    """The whole agent: as well as its worst zone; ``weaknesses`` concern all of it."""
    healths = zone_healths(zones)
    return AgentHealth(worst(healths), tuple(weaknesses), healths, configuration_digest)


def digest_of(settings: AgentSettings) -> str:
    """SHA-256 of the effective settings, as JSON with sorted keys."""
    text = json.dumps(dataclasses.asdict(settings), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
