"""The table of rulings.

Rules enforced here:

1. A row is never deleted; ``ended_at`` and ``ended_by`` say when and why it holds no more.
2. ``version`` grows with every change of the table, as in ``registry_keys``.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from lockgate.controller.store.schema import metadata

rulings = Table(
    "rulings",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("fingerprint", String(80), nullable=False, index=True),
    Column("triage_as", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("proposed_by", String(36), nullable=False),
    Column("approved_by", String(36), nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", String(16), comment="expired, replaced or withdrawn"),
    Column("version", BigInteger, nullable=False, index=True),
)
