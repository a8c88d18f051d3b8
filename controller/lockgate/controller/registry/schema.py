"""The table of the registry.

Rules enforced here:

1. There is no column that could hold a private half: SubjectPublicKeyInfo, fingerprint, and of
   a symmetric secret its anchor.
2. A row is never deleted. A key that is protected no longer has ``removed_at``.
3. ``version`` grows with every change of the table, so that whoever keeps a copy sees by one
   number that it is old.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from lockgate.controller.store.schema import metadata

registry_keys = Table(
    "registry_keys",
    metadata,
    Column("fingerprint", String(80), primary_key=True),
    Column("name", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("spki", LargeBinary),
    Column("anchor_length", Integer),
    Column("anchor_tag", Integer),
    Column("owner", Text, nullable=False),
    Column("zones", Text, nullable=False, comment="JSON list"),
    Column("signs", Text, nullable=False),
    Column("made_on", String(10)),
    Column("on_leak", Text, nullable=False),
    Column("hooks", Text, nullable=False, comment="JSON list"),
    Column("added_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("change_id", String(36), nullable=False),
    Column("version", BigInteger, nullable=False, index=True),
)
