"""The tables of the controller, except the ledger's own (``lockgate.controller.ledger.schema``).

Rules enforced here:

1. Nothing here is the proof of anything: the ledger is. A row points to its ledger entry.
2. What the ledger knows only as a salted commitment (path and opener of a transfer) stands
   here in clear, in columns that can be erased without breaking a proof.
3. Times are UTC microseconds since 1970 in integers: they sort, and mean the same in every
   database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite numbers rows by itself only when the type is exactly INTEGER.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

agents = Table(
    "agents",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("enrolled_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger),
    Column("last_sequence", BigInteger, nullable=False, server_default="0"),
    Column("banned_at", BigInteger, index=True),
    Column("ban_reason", Text),
    Column("evicted_at", BigInteger, comment="empty again once the host was enrolled anew"),
    Column("evict_reason", Text),
)

certificates = Table(
    "certificates",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("host", String(253), nullable=False, index=True),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, index=True),
)

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("secret_sha256", String(64), primary_key=True),
    Column("host", String(253), comment="empty: any host that is not enrolled yet"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("used_by", String(253)),
    Column("revoked_at", BigInteger),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("peer", String(253), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("answered_at", BigInteger, nullable=False, index=True),
    comment="answers already given, so that a repeated request gets the same one",
)

sequence_gaps = Table(
    "sequence_gaps",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("host", String(253), nullable=False, index=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("ledger_index", BigInteger, primary_key=True, autoincrement=False),
    Column("transfer_id", String(36), nullable=False, index=True),
    Column("host", String(253), nullable=False),
    Column("zone", String(253), nullable=False),
    Column("zone_signing", Boolean, nullable=False),
    Column("boundary", String(16), nullable=False),
    Column("identity", Text, nullable=False),
    Column("attempted_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("path", Text, comment="personal, erasable"),
    Column("opener", Text, comment="personal, erasable"),
    Column("personal_salt", LargeBinary(16), comment="erased together with path and opener"),
    Column("sha256", String(64)),
    Column("size", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("report", LargeBinary, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("hold_reason", String(32)),
    Column("rule", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("policy_digest", String(64), nullable=False),
    Column("canary", Boolean, nullable=False),
    Column("receipt_due_at", BigInteger, comment="empty once there is a receipt or an alert"),
    Index("ix_verdicts_receipt_due_at", "receipt_due_at"),
    Index("ix_verdicts_sha256", "sha256"),
)

findings = Table(
    "findings",
    metadata,
    Column("ledger_index", BigInteger, primary_key=True, autoincrement=False),
    Column("fingerprint", String(80), primary_key=True),
    Column("class", String(16), nullable=False),
    Column("occurrences", BigInteger, nullable=False),
    Index("ix_findings_fingerprint", "fingerprint"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("ledger_index", BigInteger, primary_key=True, autoincrement=False),
    Column("transfer_id", String(36), nullable=False, index=True),
    Column("host", String(253), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("enforcement", String(24), nullable=False),
    Column("hold_reason", String(32)),
    Column("errno_value", Integer, nullable=False),
    Column("enforced_at", BigInteger, nullable=False),
    Column("path", Text, comment="personal, erasable"),
    Column("opener", Text, comment="personal, erasable"),
    Column("personal_salt", LargeBinary(16), comment="erased together with path and opener"),
    Column("quarantine_id", Text, nullable=False),
    Column("quarantine_path", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("fingerprint", String(80), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("class", String(16), nullable=False),
    Column("algorithm", String(64), nullable=False),
    Column("bits", Integer, nullable=False),
    Column("protected_name", Text),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False, index=True),
    Column("id", String(36), nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="open"),
    Column("changed_at", BigInteger, comment="when a person changed the state last"),
    Column("changed_by", String(36)),
    Column("reason", Text, nullable=False, server_default=""),
    Column("sightings", BigInteger, nullable=False, server_default="1"),
    Index("uq_incidents_id", "id", unique=True),
)

zones = Table(
    "zones",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("zone", String(253), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Column("ledger_index", BigInteger, nullable=False),
    comment="the state each agent told last of each of its zones",
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("uid", String(36), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("ledger_index", BigInteger, nullable=False, index=True),
    Column("event", Text, nullable=False),
    sqlite_autoincrement=True,
    comment="the outbox: OCSF events in the order in which they are delivered",
)

destinations = Table(
    "destinations",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("cursor", BigInteger, nullable=False, server_default="0"),
    Column("delivered_at", BigInteger),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failed_at", BigInteger),
    Column("error", Text),
    Column("confirms", Boolean, nullable=False, server_default=true()),
    comment="how far each destination has acknowledged the outbox",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("destination", String(64), primary_key=True),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("died_at", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
)
