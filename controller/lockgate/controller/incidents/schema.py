"""Where keys were seen: one row for each key, host and zone.

Rules enforced here: what an incident shows of hosts and zones costs the same, however often its
key was seen.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from lockgate.controller.store.schema import metadata

incident_places = Table(
    "incident_places",
    metadata,
    Column("fingerprint", String(80), primary_key=True),
    Column("host", String(253), primary_key=True),
    Column("zone", String(253), primary_key=True),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("sightings", BigInteger, nullable=False),
)
