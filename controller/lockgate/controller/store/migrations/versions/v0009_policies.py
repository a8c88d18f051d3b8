"""Versions of the policy, and rings of hosts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the tables; a controller writes what is in force when it starts."""
    op.create_table(
        "policy_versions",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("documents", sa.Text(), nullable=False, comment="JSON; see content.py"),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column(
            "rings", sa.Text(), nullable=False, comment="JSON list of the rings it has reached"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "ring_index",
            sa.BigInteger(),
            nullable=False,
            comment="ledger index of its last step",
        ),
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False, comment="grows with every change"),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_policy_versions")),
    )
    for column in ("state", "step"):
        op.create_index(op.f(f"ix_policy_versions_{column}"), "policy_versions", [column])
    op.create_table(
        "policy_rings",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hosts", sa.Text(), nullable=False, comment="JSON list"),
        sa.Column("bake_minutes", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_policy_rings")),
    )
