"""The table of changes. People stand in it by id."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text

from lockgate.controller.store.schema import metadata

changes = Table(
    "changes",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("summary", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("proposed_by", String(36), nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("decided_by", String(36)),
    Column("decided_at", BigInteger),
    Column("decision_reason", Text),
)
