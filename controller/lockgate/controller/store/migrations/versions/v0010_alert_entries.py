"""Alerts are found by their ledger entry, so that they expire with it."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_alerts_ledger_index", "alerts", ["ledger_index"])
