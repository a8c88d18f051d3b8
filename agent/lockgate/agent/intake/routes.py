"""Which zone a crash belongs to.

Rules enforced here:

1. The longest ``cgroups`` prefix that fits the crash's control group names the zone; a prefix
   ends where a name ends.
2. What fits none goes to the strictest zone: one that signs before one that does not, one that
   enforces before one that does not, and of these the first in the settings.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.agent.config import Mode, ZoneSettings


def zone_for(cgroup: str, zones: Sequence[ZoneSettings]) -> ZoneSettings:
    """The zone of a crash in ``cgroup``; there is at least one zone."""
    fits = [
        (len(prefix), zone) for zone in zones for prefix in zone.cgroups if _is_in(cgroup, prefix)
    ]
    if fits:
        return max(fits, key=lambda fit: fit[0])[1]
    return max(zones, key=lambda zone: (zone.signing, zone.mode is Mode.ENFORCE))


def _is_in(cgroup: str, prefix: str) -> bool:
    group = prefix.rstrip("/")
    return cgroup == group or cgroup.startswith(f"{group}/")
