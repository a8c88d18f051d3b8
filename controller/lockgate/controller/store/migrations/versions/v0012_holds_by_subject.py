"""Whether the bytes of a verdict wait on its host is asked of an index of its own."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Replace the index."""
    op.create_index("ix_holds_host_subject", "holds", ["host", "subject"])
    op.drop_index("ix_holds_host_deadline", "holds")
