"""The tables of retention.

Rules enforced here:

1. A hold is never deleted: one that was released has ``released_at``.
2. ``expiries`` are entries whose expiry is in the ledger and whose bytes still stand; a row goes
   once they are gone from store and tiles.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from lockgate.controller.store.schema import RowNumber, metadata

retention_periods = Table(
    "retention_periods",
    metadata,
    Column("class", String(16), primary_key=True),
    Column("days", Integer, nullable=False),
    Column("change_id", String(36), nullable=False),
    comment="what people have decided; where there is none, the settings rule",
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("subject", String(16), nullable=False),
    Column("value", String(253), nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("placed_by", String(36), nullable=False, comment="the change"),
    Column("released_at", BigInteger),
    Column("released_by", String(36)),
    Index("ix_legal_holds_subject", "subject", "value"),
)

retention_cursors = Table(
    "retention_cursors",
    metadata,
    Column("class", String(16), primary_key=True),
    Column("ledger_index", BigInteger, nullable=False),
    comment="up to where each class was looked through",
)

retention_clock = Table(
    "retention_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("trusted_at", BigInteger, nullable=False),
    comment="one row: the latest time that expiry believed",
)

expiries = Table(
    "expiries",
    metadata,
    Column("ledger_index", BigInteger, primary_key=True, autoincrement=False),
    Column("ranges", Text, nullable=False, comment="JSON: pairs of first and last"),
)
