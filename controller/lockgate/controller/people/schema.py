"""The tables of people and of their logins.

Rules enforced here:

1. Everything else, the ledger too, calls a person by ``id``. The name stands here alone, so that
   it can be erased without breaking a proof.
2. A person's row is never deleted: who did something stays somebody. Logins are deleted when they
   end; that there was one is in the ledger.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from lockgate.controller.store.schema import metadata

people = Table(
    "people",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), unique=True, comment="personal, erasable"),
    Column("roles", Text, nullable=False, comment="words, with blanks between them"),
    Column("password_hash", Text, comment="argon2id; empty: cannot log in with a password"),
    Column("added_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
)

person_logins = Table(
    "person_logins",
    metadata,
    Column("serial", String(40), primary_key=True, comment="of the certificate, hex"),
    Column("person", String(36), nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
