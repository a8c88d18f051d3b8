"""The tables of releases and holds.

Rules enforced here:

1. What waits has a deadline in its row; where nothing is waited for, the column is empty. That is
   what the look for overdue rows, and the one on every verdict, go by.
2. People stand here by id. Logins, which agents report, stand in columns that can be erased.
3. A vote is never deleted: one that counts no more says so.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from lockgate.controller.store.schema import metadata

releases = Table(
    "releases",
    metadata,
    Column("release_id", String(36), primary_key=True),
    Column("transfer_id", String(36), nullable=False),
    Column("verdict_index", BigInteger, nullable=False),
    Column("host", String(253), nullable=False),
    Column("zone", String(253), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("report_digest", String(64), nullable=False),
    Column("rule_pack", String(128), nullable=False),
    Column("terms", Text, nullable=False, comment="JSON"),
    Column("requested_by", String(36), nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("deadline", BigInteger),
    Column("valid_until", BigInteger),
    Column("moving_transfer", String(36), comment="whose receipt says what became of it"),
    Index("ix_releases_host_deadline", "host", "deadline"),
    Index("ix_releases_sha256_deadline", "sha256", "deadline"),
    Index("ix_releases_deadline", "deadline"),
    Index("ix_releases_moving_transfer", "moving_transfer"),
)

release_votes = Table(
    "release_votes",
    metadata,
    Column("release_id", String(36), primary_key=True),
    Column("person", String(36), primary_key=True),
    Column("breaks_glass", Boolean, primary_key=True),
    Column("login", Text, comment="personal, erasable"),
    Column("roles", Text, nullable=False),
    Column("choice", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", LargeBinary(16), nullable=False),
    Column("cast_at", BigInteger, nullable=False),
    Column("counts", Boolean, nullable=False),
)

release_touches = Table(
    "release_touches",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("login", String(253), primary_key=True, comment="personal, erasable"),
    Column("touched_at", BigInteger, nullable=False),
    comment="who had to do with bytes that were stopped",
)

holds = Table(
    "holds",
    metadata,
    Column("verdict_index", BigInteger, primary_key=True, autoincrement=False),
    Column("transfer_id", String(36), nullable=False),
    Column("host", String(253), nullable=False),
    Column("zone", String(253), nullable=False),
    Column("subject", String(80), nullable=False, comment="SHA-256, or device and inode"),
    Column("verdict", String(16), nullable=False),
    Column("rule", Text, nullable=False),
    Column("owner", String(128), nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("deadline", BigInteger),
    Column("escalations", Integer, nullable=False),
    Column("ended_at", BigInteger),
    Index("ix_holds_host_subject", "host", "subject"),
    Index("ix_holds_deadline", "deadline"),
)
