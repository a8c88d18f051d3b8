"""The registry in the store, what people do about incidents, rulings, and runs of hooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lockgate.wire.ids import uuid7

revision = "0006"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables; every incident there is gets a number, its places and its count."""
    _registry()
    _rulings()
    _hook_runs()
    _incidents()
    _places()


def _registry() -> None:
    op.create_table(
        "registry_keys",
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("spki", sa.LargeBinary()),
        sa.Column("anchor_length", sa.Integer()),
        sa.Column("anchor_tag", sa.Integer()),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("zones", sa.Text(), nullable=False, comment="JSON list"),
        sa.Column("signs", sa.Text(), nullable=False),
        sa.Column("made_on", sa.String(length=10)),
        sa.Column("on_leak", sa.Text(), nullable=False),
        sa.Column("hooks", sa.Text(), nullable=False, comment="JSON list"),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger()),
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_registry_keys")),
    )
    op.create_index(op.f("ix_registry_keys_version"), "registry_keys", ["version"])


def _rulings() -> None:
    op.create_table(
        "rulings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("triage_as", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("proposed_by", sa.String(length=36), nullable=False),
        sa.Column("approved_by", sa.String(length=36), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_by", sa.String(length=16), comment="expired, replaced or withdrawn"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rulings")),
    )
    for column in ("fingerprint", "version"):
        op.create_index(op.f(f"ix_rulings_{column}"), "rulings", [column])


def _hook_runs() -> None:
    op.create_table(
        "hook_runs",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("hook", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("ledger_index", sa.BigInteger(), comment="of the cause"),
        sa.Column("transfer_id", sa.String(length=36), comment="empty: no transfer is the cause"),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("change_id", sa.String(length=36), comment="who confirmed it"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("claimed_by", sa.Text(), comment="the controller that runs it"),
        sa.Column("claimed_until", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("status", sa.Integer(), comment="HTTP status or exit code of the last attempt"),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.Column("receipt_index", sa.BigInteger(), comment="the ledger entry of the last attempt"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_runs")),
        sa.UniqueConstraint("uid", name=op.f("uq_hook_runs_uid")),
    )
    for column in ("fingerprint", "hook", "state"):
        op.create_index(op.f(f"ix_hook_runs_{column}"), "hook_runs", [column])


def _incidents() -> None:
    columns: tuple[sa.Column[object], ...] = (
        sa.Column("id", sa.String(length=36), nullable=False, server_default=""),
        sa.Column("state", sa.String(length=16), nullable=False, server_default="open"),
        sa.Column("changed_at", sa.BigInteger(), comment="when a person changed the state last"),
        sa.Column("changed_by", sa.String(length=36)),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("sightings", sa.BigInteger(), nullable=False, server_default="1"),
    )
    for column in columns:
        op.add_column("incidents", column)
    store = op.get_bind()
    for (fingerprint,) in store.execute(sa.text("SELECT fingerprint FROM incidents")).all():
        numbered = sa.text(
            "UPDATE incidents SET id = :id, sightings ="
            " (SELECT COUNT(*) FROM findings WHERE findings.fingerprint = incidents.fingerprint)"
            " WHERE fingerprint = :fingerprint"
        )
        store.execute(numbered, {"id": uuid7(), "fingerprint": fingerprint})
    op.create_index("uq_incidents_id", "incidents", ["id"], unique=True)
    op.create_index(op.f("ix_incidents_last_seen_at"), "incidents", ["last_seen_at"])


def _places() -> None:
    op.create_table(
        "incident_places",
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("zone", sa.String(length=253), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("sightings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "host", "zone", name=op.f("pk_incident_places")),
    )
    op.execute(
        "INSERT INTO incident_places"
        " (fingerprint, host, zone, first_seen_at, last_seen_at, sightings)"
        " SELECT findings.fingerprint, verdicts.host, verdicts.zone,"
        " MIN(verdicts.decided_at), MAX(verdicts.decided_at), COUNT(*)"
        " FROM findings JOIN verdicts ON verdicts.ledger_index = findings.ledger_index"
        " JOIN incidents ON incidents.fingerprint = findings.fingerprint"
        " GROUP BY findings.fingerprint, verdicts.host, verdicts.zone"
    )
