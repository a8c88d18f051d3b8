"""What ledger entries are found by; retention; revoked passports."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 10_000
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = {"kind": 64, "host": 253, "zone": 253, "transfer_id": 36, "person": 36}
_INDEXES = {
    "kind": ["kind", "index"],
    "at": ["at"],
    "host": ["host", "kind", "index"],
    "zone": ["zone", "index"],
    "transfer_id": ["transfer_id"],
    "person": ["person", "index"],
}


def upgrade() -> None:
    """Add columns and tables; every entry that there is can be found by what it says."""
    _entries()
    op.create_index("ix_verdicts_sha256", "verdicts", ["sha256"])
    _retention()
    _passports()


def _entries() -> None:
    comments = {"person": "an id"}
    for name, length in _TEXTS.items():
        text: sa.Column[str] = sa.Column(name, sa.String(length), comment=comments.get(name))
        op.add_column("ledger_entries", text)
    at: sa.Column[int] = sa.Column("at", sa.BigInteger())
    op.add_column("ledger_entries", at)
    _fill()
    for name, columns in _INDEXES.items():
        op.create_index(f"ix_ledger_entries_{name}", "ledger_entries", columns)


def _fill() -> None:
    index, raw = sa.column("index", sa.BigInteger()), sa.column("entry", sa.LargeBinary())
    named: list[sa.ColumnClause[Any]] = [sa.column(name) for name in (*_TEXTS, "at")]
    table = sa.table("ledger_entries", index, raw, *named)
    values: dict[str, Any] = {each.name: sa.bindparam(f"found_{each.name}") for each in named}
    change = sa.update(table).where(index == sa.bindparam("number")).values(values)
    connection, start = op.get_bind(), 0
    while rows := connection.execute(
        sa.select(index, raw).select_from(table).where(index >= start).order_by(index).limit(_BATCH)
    ).all():
        connection.execute(change, [{"number": at, **_found(entry)} for at, entry in rows])
        start = rows[-1][0] + 1


def _found(raw: bytes) -> dict[str, Any]:
    entry = json.loads(raw)
    texts = {name: entry.get(name) for name in _TEXTS}
    found = {f"found_{name}": text if type(text) is str else None for name, text in texts.items()}
    try:
        at = (datetime.fromisoformat(entry["time"]) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        at = None
    return {**found, "found_at": at}


def _retention() -> None:
    op.create_table(
        "retention_periods",
        sa.Column("class", sa.String(length=16), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("class", name=op.f("pk_retention_periods")),
        comment="what people have decided; where there is none, the settings rule",
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=253), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("placed_by", sa.String(length=36), nullable=False, comment="the change"),
        sa.Column("released_at", sa.BigInteger()),
        sa.Column("released_by", sa.String(length=36)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index("ix_legal_holds_subject", "legal_holds", ["subject", "value"])
    op.create_table(
        "retention_cursors",
        sa.Column("class", sa.String(length=16), nullable=False),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("class", name=op.f("pk_retention_cursors")),
        comment="up to where each class was looked through",
    )
    op.create_table(
        "retention_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trusted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_clock")),
        comment="one row: the latest time that expiry believed",
    )
    op.create_table(
        "expiries",
        sa.Column("ledger_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False, comment="JSON: pairs of first and last"),
        sa.PrimaryKeyConstraint("ledger_index", name=op.f("pk_expiries")),
    )


def _passports() -> None:
    op.create_table(
        "passport_revocations",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("transfer_id", sa.String(length=36)),
        sa.Column("host", sa.String(length=253)),
        sa.Column("zone", sa.String(length=253), comment="empty: every zone of the host"),
        sa.Column("since", sa.BigInteger()),
        sa.Column("until", sa.BigInteger()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=False),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passport_revocations")),
    )
    op.create_table(
        "revocation_lists",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "content_sha256", sa.String(length=64), nullable=False, comment="of the rules in it"
        ),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_revocation_lists")),
    )
