"""What an operator says about passports: the table ``[passports]``.

Rules enforced here: a route binds the passports of a zone to where its files go; two for one zone
would contradict each other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from lockgate.wire.passport import Terms

_MOST = {"days": 366, "list_hours": 31 * 24, "blind_minutes": 7 * 24 * 60}


@dataclass(frozen=True, slots=True)
class Route:
    """Files of ``zone`` go ``to`` another zone, and there to ``recipient`` (empty: anybody)."""

    zone: str
    to: str
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class PassportSettings:
    """``days``: the life of a passport. ``list_hours``: that of a list of revocations.

    ``blind_minutes``: how long canaries may have failed before an agent knows and says so; what
    was given in that time is revoked with the rest.
    """

    days: float = 7.0
    list_hours: float = 24.0
    blind_minutes: float = 10.0
    routes: tuple[Route, ...] = ()

    def __post_init__(self) -> None:
        for key, most in _MOST.items():
            if not 0 < getattr(self, key) <= most:
                raise ValueError(f'"passports.{key}": expected a number above 0, at most {most}')
        zones = Counter(route.zone for route in self.routes)
        if twice := [zone for zone, count in zones.items() if count > 1]:
            raise ValueError(f'"passports.routes": two are of zone {twice[0]!r}')

    @property
    def life(self) -> timedelta:
        """Of a passport."""
        return timedelta(days=self.days)

    def terms(self, zone: str) -> Terms:
        """For whom the passports of a zone are, and how long."""
        for route in self.routes:
            if route.zone == zone:
                return Terms(route.to, route.recipient, self.life)
        return Terms(life=self.life)
