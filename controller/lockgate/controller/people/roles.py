"""What a person may do. Pure.

Rules enforced here: roles are a closed list, and each call names those that may make it; nobody
has a right that is not in a role.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockgate.scan.words import Word

# What can stand in a URI and on a command line as it is.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Role(Word):
    """A bundle of rights."""

    VIEWER = "viewer", "Reads all that people are shown."
    ENGINEER = "engineer", "Asks for releases."
    ZONE_OWNER = "zone-owner", "Answers for a zone."
    SERVICE_OWNER = "service-owner", "Answers for a service that runs in a zone."
    SECURITY = "security", "Answers for keys: triage, legal holds, releases."
    ON_CALL = "on-call", "Is paged."
    ADMINISTRATOR = "administrator", "Changes how the installation is set up."


ANY_ROLE = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with roles. ``id`` is what the ledger calls them."""

    id: str
    name: str
    roles: frozenset[Role]


def is_name(name: str) -> bool:
    """Whether ``name`` may be the name of a person."""
    return _NAME.fullmatch(name) is not None


def to_text(roles: frozenset[Role]) -> str:
    """The roles as the store keeps them."""
    return " ".join(sorted(role.value for role in roles))


def from_text(text: str) -> frozenset[Role]:
    """The roles of :func:`to_text`.

    Raises:
        ValueError: a word that is no role.
    """
    return frozenset(Role(word) for word in text.split())
