"""Logins on record: a certificate is as good as the login that gave it. People log in again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "person_logins",
        sa.Column("serial", sa.String(40), nullable=False, comment="of the certificate, hex"),
        sa.Column("person", sa.String(36), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_person_logins"),
    )
    op.create_index("ix_person_logins_person", "person_logins", ["person"])
    op.create_index("ix_person_logins_expires_at", "person_logins", ["expires_at"])
