"""The queue of hook runs, and the receipts of their attempts.

Rules enforced here:

1. A run is a row in the transaction of its cause. ``uid`` is its idempotency key: the same in
   every attempt, also after a crash.
2. A run that was claimed and has no receipt was cut off, and runs again.
3. No personal field stands here: what a run tells is put together when it runs.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from lockgate.controller.store.schema import RowNumber, metadata

hook_runs = Table(
    "hook_runs",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("uid", String(36), nullable=False, unique=True),
    Column("hook", String(64), nullable=False, index=True),
    Column("action", String(16), nullable=False),
    Column("fingerprint", String(80), nullable=False, index=True),
    Column("cause", String(16), nullable=False),
    Column("ledger_index", BigInteger, comment="of the cause"),
    Column("transfer_id", String(36), comment="empty: no transfer is the cause"),
    Column("state", String(16), nullable=False, index=True),
    Column("queued_at", BigInteger, nullable=False),
    Column("change_id", String(36), comment="who confirmed it"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_by", Text, comment="the controller that runs it"),
    Column("claimed_until", BigInteger),
    Column("ended_at", BigInteger),
    Column("status", Integer, comment="HTTP status or exit code of the last attempt"),
    Column("error", Text, nullable=False, server_default=""),
    Column("receipt_index", BigInteger, comment="the ledger entry of the last attempt"),
)
