"""What decisions know of keys: which are protected, and what people have ruled on them.

Rules enforced here:

1. A decision is made with one consistent set of both, which is replaced as a whole.
2. The set follows the store: whoever changed it, in whatever process, every controller of the
   store has the change within :data:`SECONDS`, without a restart.
3. A key of the settings' files is protected as long as they name it. Of a key in both, the store
   says how it is called and where it may be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from lockgate.controller.registry import keys
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.triage import store as triage
from lockgate.controller.triage.rulings import Rulings
from lockgate.scan.protected import KeyRecord, ProtectedKey
from lockgate.scan.registry_toml import to_toml

#: How often the store is asked.
SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RegistryFile:
    """What agents read: a registry file without what people wrote down, and its SHA-256 in hex."""

    content: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """One consistent set."""

    protected: ProtectedKeys
    rulings: Rulings
    file: RegistryFile


class LiveKeys:
    """The newest set, and where the rest of it comes from."""

    def __init__(self, files: Iterable[ProtectedKey]) -> None:
        self.files = tuple(files)
        self.current = _known(self.files, Rulings())
        self._versions: tuple[int, int] | None = None

    def forget(self) -> None:
        """Take the next refresh for one with something new."""
        self._versions = None

    def refresh(self, connection: Connection) -> bool:
        """Follow the store; whether there was anything new, as at the first time."""
        versions = keys.version(connection), triage.version(connection)
        if versions == self._versions:
            return False
        stored = [row.key for row in keys.registered(connection)]
        rulings = Rulings(triage.in_force(connection))
        self.current = _known((*self.files, *stored), rulings)
        self._versions = versions
        return True


def _known(listed: Iterable[ProtectedKey], rulings: Rulings) -> KnownKeys:
    by_fingerprint = {key.fingerprint: key for key in listed}
    bare = (replace(key, record=KeyRecord()) for key in by_fingerprint.values())
    content = to_toml(bare).encode()
    file = RegistryFile(content, hashlib.sha256(content).hexdigest())
    return KnownKeys(ProtectedKeys.of(by_fingerprint.values()), rulings, file)
