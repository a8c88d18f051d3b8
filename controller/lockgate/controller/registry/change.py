"""The change of kind ``protected-key``: keys are put into the registry, or taken out.

Rules enforced here:

1. A content is TOML: the ``[[key]]`` tables of a registry file, and ``remove``, a list of
   fingerprints. It is made as a whole or not at all.
2. A content with a private key in it is refused, and nothing of it is quoted or kept.
3. Fingerprints of public keys are computed here, not believed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lockgate.controller.appending import Ledger
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.people.roles import Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.registry import keys
from lockgate.controller.registry.protected import refuse_reserved
from lockgate.scan.protected import ProtectedKey
from lockgate.scan.registry import Registry, RegistryError
from lockgate.scan.registry_entry import refuse_private
from lockgate.scan.registry_toml import from_document, to_toml

#: Names that a summary has room for.
_NAMED = 5
_LONGEST_SUMMARY = 1000


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """What becomes of the registry."""

    put: tuple[ProtectedKey, ...] = ()
    remove: tuple[str, ...] = ()


class ProtectedKeyChange:
    """See the module."""

    name = "protected-key"
    roles = frozenset({Role.SECURITY, Role.ADMINISTRATOR})

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether the content can be read, and what it removes is there."""
        try:
            change = read(content)
        except RegistryError as error:
            return Refusal(RefusalReason.MALFORMED, str(error)[:500])
        for fingerprint in change.remove:
            known = keys.find(connection, fingerprint)
            if known is None or known.removed_at is not None:
                return Refusal(RefusalReason.NOT_FOUND, "a key to remove is not registered")
        return None

    def summary(self, content: bytes) -> str:
        """How many keys, and the first names."""
        change = read(content)
        parts = [_listed("put", [key.name for key in change.put])] if change.put else []
        parts += [_listed("remove", list(change.remove))] if change.remove else []
        return "; ".join(parts)[:_LONGEST_SUMMARY]

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Write it."""
        change, who = read(content), (approval.change_id, approval.people)
        keys.remove(connection, ledger, change.remove, *who, now)
        keys.put(connection, ledger, change.put, *who, now)


def write(put: Iterable[ProtectedKey] = (), remove: Sequence[str] = ()) -> bytes:
    """The content that puts and removes these keys."""
    head = f"remove = {json.dumps(list(remove))}\n\n" if remove else ""
    return (head + to_toml(put)).encode()


def read(content: bytes) -> RegistryChange:
    """The change of a content.

    Raises:
        RegistryError: it is none, or holds a private key.
    """
    refuse_private(content, "content")
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        raise RegistryError("content: not TOML") from None
    remove = document.pop("remove", [])
    if not isinstance(remove, list) or not all(isinstance(one, str) for one in remove):
        raise RegistryError('content: "remove" is not a list of fingerprints')
    put = Registry.of(from_document(document, "content")).keys
    refuse_reserved(put)
    refuse_private(to_toml(put).encode(), "content")  # what its escapes spell
    if not put and not remove:
        raise RegistryError("content: names no key")
    return RegistryChange(put, tuple(dict.fromkeys(remove)))


def _listed(verb: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{verb} {', '.join(name[:120] for name in names[:_NAMED])}{more}"
