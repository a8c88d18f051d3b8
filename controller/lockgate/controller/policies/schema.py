"""The tables of policy versions and of rings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, String, Table, Text

from lockgate.controller.store.schema import metadata

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("documents", Text, nullable=False, comment="JSON; see content.py"),
    Column("source", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("rings", Text, nullable=False, comment="JSON list of the rings it has reached"),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("ring_index", BigInteger, nullable=False, comment="ledger index of its last step"),
    Column("change_id", String(36), nullable=False),
    Column("reason", Text, nullable=False),
    Column("step", BigInteger, nullable=False, index=True, comment="grows with every change"),
)

policy_rings = Table(
    "policy_rings",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    Column("hosts", Text, nullable=False, comment="JSON list"),
    Column("bake_minutes", Float, nullable=False),
)
