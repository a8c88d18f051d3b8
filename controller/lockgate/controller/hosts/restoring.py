"""The change of kind ``restore``: a quarantined file is put back on its host.

Rules enforced here:

1. A content is JSON ``{"host": ..., "quarantine_id": ..., "zone": ...}``.
2. Putting back allows nothing: the file is judged again at its next open. Whoever decided on it
   has had to do with the file, and reviews no release of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from lockgate.controller.appending import Ledger
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.people import people
from lockgate.controller.people.roles import Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release.machine import login_of
from lockgate.controller.release.progress import Progress
from lockgate.controller.store.schema import receipts
from lockgate.controller.stream import commands
from lockgate.wire.agent import Restore
from lockgate.wire.convert.values import NAME_TEXT, SHORT_TEXT
from lockgate.wire.transfer import Enforcement, Zone


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file in the quarantine of ``host``, and the zone that it came from."""

    host: str
    quarantine_id: str
    zone: str


class RestoreChange:
    """See the module."""

    name = "restore"
    roles = frozenset({Role.SECURITY, Role.ZONE_OWNER})

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether the host said that it quarantined such a file."""
        try:
            wanted = read(content)
        except ValueError as error:
            return Refusal(RefusalReason.MALFORMED, str(error))
        known = select(receipts.c.ledger_index).where(
            receipts.c.host == wanted.host,
            receipts.c.quarantine_id == wanted.quarantine_id,
            receipts.c.enforcement == Enforcement.QUARANTINED.value,
        )
        if connection.execute(known.limit(1)).first() is None:
            return Refusal(RefusalReason.NOT_FOUND, "quarantine_id on this host")
        return None

    def summary(self, content: bytes) -> str:
        """The file and its host."""
        wanted = read(content)
        return f"put {wanted.quarantine_id} back into zone {wanted.zone} of {wanted.host}"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Tell the host's agent."""
        wanted = read(content)
        action = Restore(wanted.quarantine_id, Zone(wanted.zone))
        commands.send(
            connection, ledger, wanted.host, action, now, by=f"change/{approval.change_id}"
        )
        _note_who(connection, ledger, wanted, approval, now)


def _note_who(
    connection: Connection, ledger: Ledger, wanted: Wanted, approval: Approval, now: datetime
) -> None:
    """Both people had to do with the file now: they review no release of it."""
    moved = select(receipts.c.transfer_id).where(
        receipts.c.host == wanted.host, receipts.c.quarantine_id == wanted.quarantine_id
    )
    transfer_id = connection.execute(moved.limit(1)).scalar()
    names = people.names(connection, approval.people).values()
    logins = frozenset(login_of(name) for name in names if name)
    if transfer_id is not None:
        Progress(ledger).handled(connection, transfer_id, logins, now)


def write(wanted: Wanted) -> bytes:
    """The content for a file."""
    return json.dumps(asdict(wanted)).encode()


def read(content: bytes) -> Wanted:
    """The file of a content.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = json.loads(content)
        wanted = Wanted(**{str(key): str(value) for key, value in fields.items()})
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ValueError('content: not a "host", "quarantine_id" and "zone"') from None
    fits = (
        0 < len(wanted.host) <= NAME_TEXT
        and 0 < len(wanted.zone) <= NAME_TEXT
        and 0 < len(wanted.quarantine_id) <= SHORT_TEXT
    )
    if not fits:
        raise ValueError("content: a field is empty or too long")
    return wanted
