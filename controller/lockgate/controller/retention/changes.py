"""The changes ``retention``, ``legal-hold`` and ``erasure``: proposed by one, made by another.

Rules enforced here:

1. Contents are JSON objects with exactly the fields that their kind has.
2. What cannot be undone (erasure) and what lets evidence go (a shorter period, a released hold) is
   for those who answer for keys or for the installation.
3. The ledger entry names hosts, zones, keys, transfers and ids of people, never a person.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert

from lockgate.controller.changes.kinds import Approval
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.people.people import is_needed
from lockgate.controller.people.roles import Role
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.retention import erasure, holds
from lockgate.controller.retention.holds import Subject
from lockgate.controller.retention.schema import retention_cursors, retention_periods
from lockgate.controller.retention.settings import LONGEST_DAYS, Kept

_ROLES = frozenset({Role.SECURITY, Role.ADMINISTRATOR})


class _Erasure(NamedTuple):
    """What an erasure takes away, what does it, and the field of the ledger entry."""

    what: str
    erase: Callable[[Connection, str], object]
    field: str


_ERASURES: Mapping[str, _Erasure] = {
    "transfer": _Erasure("path and opener of transfer", erasure.of_transfer, "transfer_id"),
    "person": _Erasure("the name of person", erasure.of_person, "erased_person"),
    "key": _Erasure("what people wrote about key", erasure.of_key, "fingerprint"),
}
_VALUE = re.compile(r"\S(.{0,251}\S)?")


class RetentionChange:
    """Content: ``{"class": ..., "days": ...}``."""

    name = "retention"
    roles = _ROLES

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether there is such a class, and the days are possible."""
        del connection
        said = _read(content, "class", "days")
        known = said is not None and said["class"] in {kept.value for kept in Kept}
        days = said["days"] if said is not None and type(said["days"]) is int else 0
        if not known or not 1 <= days <= LONGEST_DAYS:
            return _malformed(f"a class of files and 1 to {LONGEST_DAYS} days")
        return None

    def summary(self, content: bytes) -> str:
        """How long what is kept."""
        said = json.loads(content)
        return f"keep {said['class']} for {said['days']} days"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Write the period; expiry looks at the class again."""
        said = json.loads(content)
        word, days = str(said["class"]), int(said["days"])
        connection.execute(delete(retention_periods).where(retention_periods.c["class"] == word))
        made = {"class": word, "days": days, "change_id": approval.change_id}
        connection.execute(insert(retention_periods).values(made))
        connection.execute(delete(retention_cursors))
        ledger.append(connection, _entry("retention", approval, now, **said))


class LegalHoldChange:
    """Content: ``{"subject": host|zone|fingerprint|transfer, "value": ..., "release": bool}``."""

    name = "legal-hold"
    roles = _ROLES

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether it names something, and a hold that is to be released is in force."""
        said = _read(content, "subject", "value", "release")
        subjects = {subject.value for subject in Subject}
        if said is None or said["subject"] not in subjects or type(said["release"]) is not bool:
            return _malformed("a subject, a value and whether to release")
        if type(said["value"]) is not str or not _VALUE.fullmatch(said["value"]):
            return _malformed("a value of 1 to 253 characters")
        placed = holds.in_force(connection).placed
        is_placed = (Subject(said["subject"]), said["value"]) in placed
        if is_placed is not said["release"]:
            text = "there is such a hold already" if is_placed else "there is no such hold"
            return Refusal(RefusalReason.CONFLICT, text)
        return None

    def summary(self, content: bytes) -> str:
        """What is held, or held no more."""
        said = json.loads(content)
        verb = "release the hold on" if said["release"] else "hold"
        return f"{verb} {said['subject']} {said['value']}"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Put it into force, or end it."""
        said = json.loads(content)
        act = holds.release if said["release"] else holds.place
        subject = Subject(said["subject"])
        act(connection, subject, said["value"], approval.change_id, to_micros(now))
        ledger.append(connection, _entry("legal-hold", approval, now, **said))


class ErasureChange:
    """Content: ``{"transfer": id}``, ``{"person": id}`` or ``{"key": fingerprint}``."""

    name = "erasure"
    roles = _ROLES

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether there is something to erase that no hold touches."""
        said = next(filter(None, (_read(content, kind) for kind in _ERASURES)), {})
        if not said or not all(type(value) is str for value in said.values()):
            return _malformed("a transfer or a person by id, or a key by fingerprint")
        ((kind, value),) = said.items()
        if not erasure.known(connection, kind, value):
            return Refusal(RefusalReason.NOT_FOUND, kind)
        held = {"transfer": erasure.is_held, "key": erasure.is_key_held}.get(kind)
        if held is not None and held(connection, value):
            return Refusal(RefusalReason.CONFLICT, f"a legal hold touches the {kind}")
        if kind == "person" and is_needed(connection, value):
            return Refusal(RefusalReason.CONFLICT, "too few administrators would be left")
        return None

    def summary(self, content: bytes) -> str:
        """What is erased."""
        ((kind, value),) = json.loads(content).items()
        return f"erase {_ERASURES[kind].what} {value}"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Erase; there is no way back."""
        ((kind, value),) = json.loads(content).items()
        erased = _ERASURES[kind]
        erased.erase(connection, value)
        ledger.append(connection, _entry("erasure", approval, now, **{erased.field: value}))


def write(said: dict[str, Any]) -> bytes:
    """The content of a change."""
    return json.dumps(said, sort_keys=True).encode()


def _read(content: bytes, *fields: str) -> dict[str, Any] | None:
    """The content, if it is an object with exactly these fields."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.keys() == set(fields) else None


def _malformed(expected: str) -> Refusal:
    return Refusal(RefusalReason.MALFORMED, f"content: expected {expected}")


def _entry(kind: str, approval: Approval, now: datetime, **fields: Any) -> dict[str, Any]:
    decided = {"change": approval.change_id, "person": approval.approved_by, "by": approval.people}
    return {"kind": kind, "time": rfc3339(now), **decided, **fields}
