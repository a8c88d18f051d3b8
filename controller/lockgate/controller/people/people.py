"""People in the store: adding, changing, removing and finding them.

Rules enforced here:

1. Every change is one ledger entry in the same transaction, and names the person by id.
2. Somebody who was removed is nobody: no call finds them any more. So is whose name was erased.
3. A login belongs to a person, not to a name, and ends when they are removed or get another
   password.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from lockgate.controller import entries
from lockgate.controller.clock import to_micros
from lockgate.controller.people.roles import Person, Role, from_text, to_text
from lockgate.controller.people.schema import people, person_logins
from lockgate.controller.records import Ledger
from lockgate.wire.ids import uuid7

_HERE = people.c.removed_at.is_(None) & people.c.name.is_not(None)
_NAMED = select(people).where(people.c.name == bindparam("name"), _HERE)
_LOGGED_IN = select(people).where(
    people.c.id == person_logins.c.person, person_logins.c.serial == bindparam("serial"), _HERE
)
#: One proposes, another approves.
ADMINISTRATORS_NEEDED = 2


def named(connection: Connection, name: str) -> Person | None:
    """Who has this name; None: nobody, or nobody any more."""
    row = connection.execute(_NAMED, {"name": name}).first()
    return None if row is None else _person(row)


def logged_in(connection: Connection, serial: str) -> Person | None:
    """Who got the certificate of this serial by a login that has not ended."""
    row = connection.execute(_LOGGED_IN, {"serial": serial}).first()
    return None if row is None else _person(row)


def note_login(
    connection: Connection,
    ledger: Ledger,
    person: Person,
    serial: str,
    now: datetime,
    until: datetime,
) -> None:
    """Somebody got a certificate; what has expired is forgotten."""
    over = person_logins.c.expires_at < to_micros(now)
    connection.execute(delete(person_logins).where(over))
    row = {"serial": serial, "person": person.id, "expires_at": to_micros(until)}
    connection.execute(insert(person_logins).values(**row))
    fields = {"person": person.id, "serial": serial}
    ledger.append(connection, entries.identity("login", now, fields))


def password_hash(connection: Connection, name: str) -> str | None:
    """The hash of a password; None when there is none, or no such person."""
    row = connection.execute(_NAMED, {"name": name}).first()
    return None if row is None else row.password_hash


def everybody(connection: Connection) -> list[tuple[Person, int]]:
    """Everybody by name, with the time they were added in microseconds."""
    rows = connection.execute(select(people).where(_HERE).order_by(people.c.name)).all()
    return [(_person(row), row.added_at) for row in rows]


def present(connection: Connection, ids: Sequence[str]) -> dict[str, Person]:
    """Those of these ids who are still somebody, by id."""
    rows = connection.execute(select(people).where(people.c.id.in_(ids), _HERE))
    return {row.id: _person(row) for row in rows}


def names(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Names by id; who was erased has none."""
    rows = connection.execute(select(people.c.id, people.c.name).where(people.c.id.in_(ids)))
    return {row.id: row.name or "" for row in rows}


def put(
    connection: Connection,
    ledger: Ledger,
    name: str,
    roles: frozenset[Role],
    now: datetime,
    by: Sequence[str] = (),
) -> Person:
    """Add somebody, or give them other roles. ``by``: ids of who decided it."""
    known = named(connection, name)
    person = Person(known.id if known else uuid7(), name, roles)
    if known is None:
        connection.execute(
            insert(people).values(
                id=person.id, name=name, roles=to_text(roles), added_at=to_micros(now)
            )
        )
    else:
        connection.execute(
            update(people).where(people.c.id == person.id).values(roles=to_text(roles))
        )
    fields = {"person": person.id, "roles": sorted(role.value for role in roles), "by": list(by)}
    kind = "person-added" if known is None else "person-roles"
    ledger.append(connection, entries.identity(kind, now, fields))
    return person


def remove(
    connection: Connection, ledger: Ledger, person: Person, now: datetime, by: Sequence[str] = ()
) -> None:
    """Let somebody do nothing more; the name becomes free."""
    values = {"removed_at": to_micros(now), "name": None, "password_hash": None}
    connection.execute(update(people).where(people.c.id == person.id).values(**values))
    _end_logins(connection, person)
    fields = {"person": person.id, "by": list(by)}
    ledger.append(connection, entries.identity("person-removed", now, fields))


def set_password(
    connection: Connection, ledger: Ledger, person: Person, hashed: str, now: datetime
) -> int:
    """Give somebody a password, as its hash; they log in anew with it. The entry's index."""
    connection.execute(update(people).where(people.c.id == person.id).values(password_hash=hashed))
    _end_logins(connection, person)
    entry = entries.identity("person-password", now, {"person": person.id})
    return ledger.append(connection, entry)


def administrators(connection: Connection) -> int:
    """How many there are."""
    return sum(Role.ADMINISTRATOR in person.roles for person, _ in everybody(connection))


def is_needed(connection: Connection, person_id: str) -> bool:
    """Whether too few administrators would be left without this person."""
    person = present(connection, [person_id]).get(person_id)
    is_administrator = person is not None and Role.ADMINISTRATOR in person.roles
    return is_administrator and administrators(connection) <= ADMINISTRATORS_NEEDED


def _end_logins(connection: Connection, person: Person) -> None:
    connection.execute(delete(person_logins).where(person_logins.c.person == person.id))


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(row.id, row.name, from_text(row.roles))
