"""Whether a destination of alerts acknowledges them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; all destinations before it did."""
    confirms: sa.Column[bool] = sa.Column(
        "confirms", sa.Boolean(), nullable=False, server_default=sa.true()
    )
    op.add_column("destinations", confirms)
