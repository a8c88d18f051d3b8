"""Legal holds: what must not expire and not be erased while somebody needs it.

Rules enforced here: a hold is on a host, a zone, a key or a transfer, and stops the expiry of every
transfer that it touches, whatever its class; releasing it lets expiry look at all of them again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from lockgate.controller.retention.schema import legal_holds, retention_cursors
from lockgate.scan.words import Word


class Subject(Word):
    """What a hold is on."""

    HOST = "host", "All transfers of a host."
    ZONE = "zone", "All transfers of a zone, on every host."
    FINGERPRINT = "fingerprint", "All transfers in which a key was found."
    TRANSFER = "transfer", "One transfer."


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds that are in force, as pairs of subject and value."""

    placed: frozenset[tuple[Subject, str]]

    def stop(self, host: str, zone: str, transfer_id: str, fingerprints: Collection[str]) -> bool:
        """Whether a transfer must be kept."""
        touched = {
            (Subject.HOST, host),
            (Subject.ZONE, zone),
            (Subject.TRANSFER, transfer_id),
            *((Subject.FINGERPRINT, one) for one in fingerprints),
        }
        return not self.placed.isdisjoint(touched)


def in_force(connection: Connection) -> Holds:
    """The holds that nobody has released."""
    query = select(legal_holds.c.subject, legal_holds.c.value)
    rows = connection.execute(query.where(legal_holds.c.released_at.is_(None)))
    return Holds(frozenset((Subject(row.subject), row.value) for row in rows))


def listed(connection: Connection, most: int) -> list[dict[str, str | int]]:
    """The holds in force, the oldest first."""
    columns = (legal_holds.c[name] for name in ("subject", "value", "placed_at", "placed_by"))
    query = select(*columns).where(legal_holds.c.released_at.is_(None)).order_by(legal_holds.c.id)
    return [dict(row) for row in connection.execute(query.limit(most)).mappings()]


def place(connection: Connection, subject: Subject, value: str, change: str, micros: int) -> None:
    """Put a hold into force."""
    made = {"subject": subject.value, "value": value, "placed_at": micros, "placed_by": change}
    connection.execute(insert(legal_holds).values(made))


def release(connection: Connection, subject: Subject, value: str, change: str, micros: int) -> None:
    """End it, and let expiry look at everything again."""
    here = (legal_holds.c.subject == subject.value) & (legal_holds.c.value == value)
    ended = {"released_at": micros, "released_by": change}
    open_ones = here & legal_holds.c.released_at.is_(None)
    connection.execute(update(legal_holds).where(open_ones).values(ended))
    connection.execute(delete(retention_cursors))
