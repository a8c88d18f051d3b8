"""Turning hosts away: evict, ban and unban.

Rules enforced here:

1. Evicting takes a host's identity: every certificate it has is revoked, and every join token
   made for it that was not used is void. A new token made for the host brings it back.
2. Banning refuses the host, whatever it shows, until it is unbanned: its certificates, its
   renewals and its tokens; no token is made for it meanwhile. What it had is left as it was.
3. Each is one transaction with its ledger entry, and holds from its commit on, also on
   connections that are open.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from lockgate.controller import entries
from lockgate.controller.clock import to_micros
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.schema import agents, certificates, join_tokens


def evict(
    connection: Connection, ledger: Ledger, host: str, reason: str, now: datetime, *, by: str
) -> int | Refusal:
    """Take away the identity of ``host``; how many certificates were revoked."""
    micros = to_micros(now)
    evicted = {"evicted_at": micros, "evict_reason": reason}
    if not _change_agent(connection, host, evicted):
        return Refusal(RefusalReason.NOT_FOUND, "host")
    revoked = connection.execute(
        update(certificates)
        .where(certificates.c.host == host, certificates.c.revoked_at.is_(None))
        .values(revoked_at=micros)
    ).rowcount
    connection.execute(
        update(join_tokens)
        .where(
            join_tokens.c.host == host,
            join_tokens.c.used_at.is_(None),
            join_tokens.c.revoked_at.is_(None),
        )
        .values(revoked_at=micros)
    )
    fields = {"host": host, "reason": reason, "certificates": revoked, "by": by}
    ledger.append(connection, entries.identity("evict", now, fields))
    return revoked


def ban(
    connection: Connection, ledger: Ledger, host: str, reason: str, now: datetime, *, by: str
) -> Refusal | None:
    """Refuse ``host`` until it is unbanned."""
    if not _change_agent(connection, host, {"banned_at": to_micros(now), "ban_reason": reason}):
        return Refusal(RefusalReason.NOT_FOUND, "host")
    fields = {"host": host, "reason": reason, "by": by}
    ledger.append(connection, entries.identity("ban", now, fields))
    return None


def unban(
    connection: Connection, ledger: Ledger, host: str, reason: str, now: datetime, *, by: str
) -> Refusal | None:
    """End the ban of ``host``; what it had before is good again, unless it was evicted too."""
    known = select(agents.c.banned_at).where(agents.c.host == host)
    row = connection.execute(known).first()
    if row is None:
        return Refusal(RefusalReason.NOT_FOUND, "host")
    if row.banned_at is None:
        return Refusal(RefusalReason.CONFLICT, "the host is not banned")
    _change_agent(connection, host, {"banned_at": None, "ban_reason": None})
    fields = {"host": host, "reason": reason, "by": by}
    ledger.append(connection, entries.identity("unban", now, fields))
    return None


def _change_agent(connection: Connection, host: str, values: dict[str, object]) -> bool:
    done = connection.execute(update(agents).where(agents.c.host == host).values(**values))
    return done.rowcount > 0
