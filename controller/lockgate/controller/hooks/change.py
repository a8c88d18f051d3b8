"""The change of kind ``revoke``: hooks that take a key out of use may run.

Rules enforced here:

1. A content is JSON ``{"fingerprint": ...}``. It lets those runs go that wait for a person now,
   and none that comes later.
2. Where the installation asks for a second person, no one alone revokes a key.
"""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection

from lockgate.controller.appending import Ledger
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.clock import rfc3339
from lockgate.controller.hooks import queue
from lockgate.controller.people.roles import Role
from lockgate.controller.refusals import Refusal, RefusalReason


class RevokeChange:
    """See the module."""

    name = "revoke"
    roles = frozenset({Role.SECURITY, Role.ON_CALL})

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether a run waits for it."""
        try:
            fingerprint = read(content)
        except ValueError as error:
            return Refusal(RefusalReason.MALFORMED, str(error))
        if not queue.unconfirmed(connection, fingerprint):
            return Refusal(RefusalReason.CONFLICT, "no hook waits to revoke this key")
        return None

    def summary(self, content: bytes) -> str:
        """The key."""
        return f"revoke {read(content)[:100]}"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Let the runs go."""
        fingerprint = read(content)
        hooks = queue.confirm(connection, fingerprint, approval.change_id)
        entry = {
            "kind": "revoke-confirmed",
            "time": rfc3339(now),
            "fingerprint": fingerprint,
            "hooks": hooks,
            "change": approval.change_id,
            "by": approval.people,
        }
        ledger.append(connection, entry)


def write(fingerprint: str) -> bytes:
    """The content for a key."""
    return json.dumps({"fingerprint": fingerprint}).encode()


def read(content: bytes) -> str:
    """The fingerprint of a content.

    Raises:
        ValueError: it is none.
    """
    try:
        return str(json.loads(content)["fingerprint"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError('content: not a "fingerprint"') from None
