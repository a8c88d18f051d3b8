"""Releases with their votes, who had to do with stopped bytes, and holds that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the tables of releases and holds."""
    op.create_table(
        "releases",
        sa.Column("release_id", sa.String(length=36), nullable=False),
        sa.Column("transfer_id", sa.String(length=36), nullable=False),
        sa.Column("verdict_index", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("zone", sa.String(length=253), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("report_digest", sa.String(length=64), nullable=False),
        sa.Column("rule_pack", sa.String(length=128), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("requested_by", sa.String(length=36), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger()),
        sa.Column("valid_until", sa.BigInteger()),
        sa.Column(
            "moving_transfer",
            sa.String(length=36),
            comment="whose receipt says what became of it",
        ),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_releases")),
    )
    op.create_index("ix_releases_host_deadline", "releases", ["host", "deadline"])
    op.create_index("ix_releases_sha256_deadline", "releases", ["sha256", "deadline"])
    op.create_index("ix_releases_deadline", "releases", ["deadline"])
    op.create_index("ix_releases_moving_transfer", "releases", ["moving_transfer"])
    op.create_table(
        "release_votes",
        sa.Column("release_id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.String(length=36), nullable=False),
        sa.Column("breaks_glass", sa.Boolean(), nullable=False),
        sa.Column("login", sa.Text(), comment="personal, erasable"),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("cast_at", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "release_id", "person", "breaks_glass", name=op.f("pk_release_votes")
        ),
    )
    op.create_table(
        "release_touches",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("login", sa.String(length=253), nullable=False, comment="personal, erasable"),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "login", name=op.f("pk_release_touches")),
        comment="who had to do with bytes that were stopped",
    )
    _create_holds()


def _create_holds() -> None:
    op.create_table(
        "holds",
        sa.Column("verdict_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transfer_id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("zone", sa.String(length=253), nullable=False),
        sa.Column(
            "subject", sa.String(length=80), nullable=False, comment="SHA-256, or device and inode"
        ),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger()),
        sa.Column("escalations", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("verdict_index", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_host_deadline", "holds", ["host", "deadline"])
    op.create_index("ix_holds_deadline", "holds", ["deadline"])
