"""The tables of the ledger, beside the controller's own in one store.

Rules enforced here:

1. ``ledger_entries`` is only ever inserted into, but for the bytes of an entry that has expired:
   they become empty, and the hash stays. Leaves are numbered from 0 without a gap.
2. The columns behind the hash repeat what the entry says, so that it can be found; they are no
   proof of anything, and stay when it expires.
3. ``ledger_nodes`` holds the complete inner nodes; all of it can be computed again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from lockgate.controller.store.schema import metadata

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Column("kind", String(64)),
    Column("at", BigInteger),
    Column("host", String(253)),
    Column("zone", String(253)),
    Column("transfer_id", String(36)),
    Column("person", String(36), comment="an id"),
    Index("ix_ledger_entries_kind", "kind", "index"),
    Index("ix_ledger_entries_at", "at"),
    Index("ix_ledger_entries_host", "host", "kind", "index"),
    Index("ix_ledger_entries_zone", "zone", "index"),
    Index("ix_ledger_entries_transfer_id", "transfer_id"),
    Index("ix_ledger_entries_person", "person", "index"),
)

ledger_nodes = Table(
    "ledger_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

ledger_checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
