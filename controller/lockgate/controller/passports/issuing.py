"""Giving passports.

Rules enforced here:

1. A passport is given for an ALLOW of a clean report, and not on the word of a host whose zone is
   blind: what its scans say is worth nothing then.
2. A zone that turns out to be blind has been so for a while: the passports of that while are
   revoked in the transaction that writes its state down, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, bindparam, select

from lockgate.controller.clock import to_micros
from lockgate.controller.passports.blindness import is_blind
from lockgate.controller.passports.revoking import revoke
from lockgate.controller.passports.settings import PassportSettings
from lockgate.controller.records import Ledger
from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import zones
from lockgate.controller.stream.schema import agent_states
from lockgate.controller.zones import STATES
from lockgate.scan.report import Outcome, Report
from lockgate.wire.passport import sign
from lockgate.wire.revocations import Rule
from lockgate.wire.transfer import Decision, GuardChange, Transfer, Verdict

# Statements of the hot path are built once: building costs more than SQLite's work.
_STATE = Prepared(
    select(
        select(zones.c.state)
        .where(zones.c.host == bindparam("host"), zones.c.zone == bindparam("zone"))
        .scalar_subquery()
        .label("state"),
        select(agent_states.c.health)
        .where(agent_states.c.host == bindparam("host"))
        .scalar_subquery()
        .label("health"),
    )
)
_SINCE = select(zones.c.since).where(
    zones.c.host == bindparam("host"), zones.c.zone == bindparam("zone")
)
_BLIND = STATES[GuardChange.BLIND]


@dataclass(frozen=True, slots=True)
class Issuer:
    """Signs with the passports' key."""

    key: Ed25519PrivateKey = field(repr=False)
    settings: PassportSettings

    def write(self, report: Report, transfer: Transfer, decision: Decision, now: datetime) -> bytes:
        """The envelope; empty when a decision gives none."""
        if decision.verdict is not Verdict.ALLOW or report.outcome is not Outcome.CLEAN:
            return b""
        return sign(
            report, transfer, decision, self.key, now, self.settings.terms(transfer.zone.name)
        )

    def given(
        self, connection: Connection, envelope: bytes, transfer: Transfer, decision: Decision
    ) -> bytes:
        """The envelope, if ``decision`` is the one that stands and the zone is not blind."""
        if not envelope or decision.verdict is not Verdict.ALLOW:
            return b""
        here = {"host": transfer.host, "zone": transfer.zone.name}
        row = _STATE.first(connection, here)
        return b"" if row.state == _BLIND or is_blind(row.health, here["zone"]) else envelope

    def on_guard(
        self,
        connection: Connection,
        ledger: Ledger,
        change: GuardChange,
        host: str,
        zone: str,
        now: datetime,
    ) -> None:
        """Revoke what was given while the zone was blind and nobody knew.

        To be called once the change is written down.
        """
        here = {"host": host, "zone": zone}
        known = connection.execute(_SINCE, here).scalar() if change is GuardChange.BLIND else None
        if known is not None and known >= to_micros(now):
            since = now - timedelta(minutes=self.settings.blind_minutes)
            rule = Rule("the host was blind", host=host, zone=zone, since=since, until=now)
            revoke(connection, ledger, rule, now)
