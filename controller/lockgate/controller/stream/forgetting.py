"""Having agents forget decisions that were made when less was known of a key.

Rules enforced here: only hosts on which the key was found are told; nobody else has a decision that
could depend on it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from lockgate.controller.appending import Ledger
from lockgate.controller.store.schema import findings, verdicts
from lockgate.controller.stream import commands
from lockgate.wire.agent import ForgetDecisions


def forget(
    connection: Connection, ledger: Ledger, fingerprint: str, now: datetime, *, by: str
) -> list[str]:
    """Have every host on which the key was found ask again; the hosts."""
    query = (
        select(verdicts.c.host)
        .join(findings, findings.c.ledger_index == verdicts.c.ledger_index)
        .where(findings.c.fingerprint == fingerprint)
        .distinct()
        .order_by(verdicts.c.host)
    )
    hosts = list(connection.execute(query).scalars())
    for host in hosts:
        commands.send(connection, ledger, host, ForgetDecisions(), now, by=by)
    return hosts
