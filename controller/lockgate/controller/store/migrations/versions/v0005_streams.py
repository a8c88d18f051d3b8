"""Eviction of hosts, the agents' streams, and commands to agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what the streams need; nothing was evicted or revoked before."""
    evicted: sa.Column[int] = sa.Column(
        "evicted_at",
        sa.BigInteger(),
        nullable=True,
        comment="empty again once the host was enrolled anew",
    )
    op.add_column("agents", evicted)
    op.add_column("agents", sa.Column[str]("evict_reason", sa.Text(), nullable=True))
    op.create_index(op.f("ix_agents_banned_at"), "agents", ["banned_at"])
    for table in ("certificates", "join_tokens"):
        op.add_column(table, sa.Column[int]("revoked_at", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_certificates_revoked_at"), "certificates", ["revoked_at"])
    _create_commands()
    op.create_table(
        "agent_states",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("capabilities", sa.Text(), nullable=False, comment="words, as a JSON list"),
        sa.Column("connected_at", sa.BigInteger(), nullable=False),
        sa.Column("last_beat", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("silent_since", sa.BigInteger(), comment="empty while it is heard"),
        sa.Column("health", sa.Text(), comment="state, reasons, zones and digests, as JSON"),
        sa.Column("health_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_agent_states")),
    )


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("action", sa.String(length=24), nullable=False),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="serialised lockgate.v1.Command"
        ),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), comment="expires_at until it is finished"),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger()),
        sa.Column("outcome", sa.String(length=16)),
        sa.Column("detail", sa.Text()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("receipt_index", sa.BigInteger()),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_commands")),
    )
    op.create_index(op.f("ix_commands_host"), "commands", ["host"])
    op.create_index(op.f("ix_commands_due_at"), "commands", ["due_at"])
