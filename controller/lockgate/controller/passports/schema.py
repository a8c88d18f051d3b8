"""The tables of revoked passports.

Rules enforced here: a revocation is a rule about passports, not a list of them: one transfer's,
or all that one host asked for within a time; a row is never changed.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text

from lockgate.controller.store.schema import RowNumber, metadata

passport_revocations = Table(
    "passport_revocations",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("transfer_id", String(36)),
    Column("host", String(253)),
    Column("zone", String(253), comment="empty: every zone of the host"),
    Column("since", BigInteger),
    Column("until", BigInteger),
    Column("reason", Text, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),
    Column("ledger_index", BigInteger, nullable=False),
)

revocation_lists = Table(
    "revocation_lists",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("content_sha256", String(64), nullable=False, comment="of the rules in it"),
    Column("envelope", LargeBinary, nullable=False),
)
