"""The tables of the agents' streams.

Rules enforced here:

1. ``commands`` keeps a command until it is receipted or past its end, and afterwards what
   became of it. ``due_at`` is empty once nothing is waited for any more.
2. ``agent_states`` is what each agent that has a stream told last; an agent without one has
   no row.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text

from lockgate.controller.store.schema import metadata

commands = Table(
    "commands",
    metadata,
    Column("command_id", String(36), primary_key=True),
    Column("host", String(253), nullable=False, index=True),
    Column("action", String(24), nullable=False),
    Column("body", LargeBinary, nullable=False, comment="serialised lockgate.v1.Command"),
    Column("sent_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, index=True, comment="expires_at until it is finished"),
    Column("ledger_index", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("outcome", String(16)),
    Column("detail", Text),
    Column("finished_at", BigInteger),
    Column("receipt_index", BigInteger),
)

agent_states = Table(
    "agent_states",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("version", String(128), nullable=False),
    Column("capabilities", Text, nullable=False, comment="words, as a JSON list"),
    Column("connected_at", BigInteger, nullable=False),
    Column("last_beat", BigInteger, nullable=False, server_default="0"),
    Column("heard_at", BigInteger, nullable=False),
    Column("silent_since", BigInteger, comment="empty while it is heard"),
    Column("health", Text, comment="state, reasons, zones and digests, as JSON"),
    Column("health_at", BigInteger),
)
