"""The change of kind ``person``: somebody gets roles, other roles, or none any more.

Rules enforced here:

1. A content is JSON ``{"name": ..., "roles": [...]}``; without roles the person is removed.
2. The last administrators cannot be taken away: nobody could approve anything then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from lockgate.controller.changes.contents import fields_of
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.people import people
from lockgate.controller.people.roles import Role, is_name
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason


class PersonChange:
    """See the module."""

    name = "person"
    roles = frozenset({Role.ADMINISTRATOR})

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether the content names somebody and roles, and leaves administrators."""
        try:
            name, roles = read(content)
        except ValueError as error:
            return Refusal(RefusalReason.MALFORMED, str(error))
        person = people.named(connection, name)
        if person is None and not roles:
            return Refusal(RefusalReason.NOT_FOUND, "person")
        loses = person is not None and Role.ADMINISTRATOR in person.roles - roles
        if loses and people.administrators(connection) <= people.ADMINISTRATORS_NEEDED:
            return Refusal(RefusalReason.CONFLICT, "too few administrators would be left")
        return None

    def summary(self, content: bytes) -> str:
        """Who gets what."""
        name, roles = read(content)
        given = ", ".join(sorted(role.value for role in roles))
        return f"{name}: {given}" if roles else f"{name}: removed"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Write it."""
        name, roles = read(content)
        person = people.named(connection, name)
        if roles:
            people.put(connection, ledger, name, roles, now, approval.people)
        elif person is not None:
            people.remove(connection, ledger, person, now, approval.people)


def write(name: str, roles: Iterable[Role]) -> bytes:
    """The content that gives somebody these roles."""
    words = sorted(role.value for role in roles)
    return json.dumps({"name": name, "roles": words}, sort_keys=True).encode()


def read(content: bytes) -> tuple[str, frozenset[Role]]:
    """Name and roles of a content.

    Raises:
        ValueError: it is none; the text says why.
    """
    try:
        said = fields_of(content, "name", "roles")
        name, roles = said["name"], frozenset(Role(word) for word in said["roles"])
    except (ValueError, TypeError):
        raise ValueError("content: not a name and a list of roles") from None
    if not isinstance(name, str) or not is_name(name):
        raise ValueError("content: not a name of lower-case letters, digits, dots and dashes")
    return name, roles
