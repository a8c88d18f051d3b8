"""Answers already given: a repeated request gets the same one, byte for byte.

Rules enforced here:

1. The answer is stored in the transaction of what it answers.
2. An answer is kept for days, not for ever; whoever asks later asks anew.
3. A request id belongs to one peer and one content. The digest leaves out the sequence
   number, which an agent may count anew when it sends again.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import requests

# Statements of the hot path are built once: building costs more than SQLite's work.
_ANSWER = Prepared(select(requests).where(requests.c.request_id == bindparam("request_id")))
_NEW_ANSWER = Prepared(insert(requests))


def digest(request: Any) -> bytes:
    """SHA-256 of a request message without its sequence number."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField("sequence") if "sequence" in copy.DESCRIPTOR.fields_by_name else None
    name = copy.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b"\0" + copy.SerializeToString(deterministic=True)).digest()


def recall(
    connection: Connection, request_id: str, peer: str, content: bytes
) -> bytes | Refusal | None:
    """The stored answer, a refusal when the id belongs to something else, None when new."""
    row = _ANSWER.first(connection, {"request_id": request_id})
    if row is None:
        return None
    if row.peer != peer or row.digest != content:
        return Refusal(RefusalReason.REQUEST_REUSED)
    return bytes(row.response)


def remember(
    connection: Connection,
    request_id: str,
    peer: str,
    content: bytes,
    response: bytes,
    micros: int,
) -> None:
    """Store an answer."""
    _NEW_ANSWER.run(
        connection,
        {
            "request_id": request_id,
            "peer": peer,
            "digest": content,
            "response": response,
            "answered_at": micros,
        },
    )


def prune(connection: Connection, before: int, limit: int = 1000) -> int:
    """Forget at most ``limit`` answers given earlier than ``before`` (micros); how many."""
    old = select(requests.c.request_id).where(requests.c.answered_at < before).limit(limit)
    return connection.execute(delete(requests).where(requests.c.request_id.in_(old))).rowcount
