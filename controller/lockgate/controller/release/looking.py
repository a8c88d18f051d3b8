"""What the store knows before a verdict is written down: one statement, since every verdict asks.

Rules enforced here: nearly always nothing waits, and then a verdict pays for one look and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, or_, select

from lockgate.controller.release import holds
from lockgate.controller.release.schema import releases
from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import verdicts
from lockgate.wire.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Looked:
    """``host``: whom the transfer belongs to, None when it is new. ``release``: one waits for a
    file of this host or for these bytes. ``hold``: these bytes wait for somebody in this zone.
    """

    host: str | None
    release: bool
    hold: bool


_HOST = select(verdicts.c.host).where(verdicts.c.transfer_id == bindparam("transfer_id"))
_NEAR = select(releases.c.release_id).where(
    or_(releases.c.host == bindparam("host"), releases.c.sha256 == bindparam("sha256")),
    releases.c.deadline.is_not(None),
)
# The statement of the hot path is built once: building costs more than SQLite's work.
_LOOK = Prepared(
    select(
        _HOST.limit(1).scalar_subquery().label("host"),
        _NEAR.exists().label("release"),
        holds.SAME.exists().label("hold"),
    )
)


def look(connection: Connection, transfer: Transfer, sha256: str | None) -> Looked:
    """See :class:`Looked`."""
    row = _LOOK.first(
        connection,
        {
            "transfer_id": transfer.transfer_id,
            "host": transfer.host,
            "zone": transfer.zone.name,
            "sha256": sha256 or "",
            "subject": holds.subject_of(transfer, sha256),
        },
    )
    return Looked(row.host, bool(row.release), bool(row.hold))
