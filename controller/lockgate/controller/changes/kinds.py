"""Kinds of changes: one line for each.

Rules enforced here:

1. What a content means is known to its kind alone. A content is checked when it is proposed and
   again, in the transaction that makes it, when it is approved: what was right then may not be
   so now.
2. Whoever may propose a kind may approve it, when somebody else proposed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from lockgate.controller.people.roles import Role
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Approval:
    """Who decided a change, by id; in a lab both are one."""

    change_id: str
    proposed_by: str
    approved_by: str

    @property
    def people(self) -> list[str]:
        """Everybody who took part, once."""
        return list(dict.fromkeys((self.proposed_by, self.approved_by)))


class ChangeKind(Protocol):
    """One kind of change."""

    @property
    def name(self) -> str:
        """The word that a proposal names it by."""
        ...

    @property
    def roles(self) -> frozenset[Role]:
        """Who may propose and approve."""
        ...

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Why this content cannot be made; None: it can."""
        ...

    def summary(self, content: bytes) -> str:
        """One line for whoever decides on a content that passed :meth:`check`."""
        ...

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Make it, with its ledger entry, in the transaction of the approval."""
        ...


class Kinds:
    """The kinds of an installation, by name."""

    def __init__(self, *kinds: ChangeKind) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def get(self, name: str) -> ChangeKind | None:
        """The kind of that name."""
        return self._kinds.get(name)

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._kinds))
