"""The policies that decide now, followed from the store.

Rules enforced here:

1. A decision is made with one whole policy: the set is replaced in one step, and whoever decides
   holds the one it began with.
2. The set follows the store: whoever changed it, in whatever process, every controller of the
   store has it within :data:`SECONDS`, without a restart.
3. A version that cannot be read is not used: what decided before goes on deciding, and the fault
   is raised to whoever asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from lockgate.controller.appending import Ledger
from lockgate.controller.policies import content, store
from lockgate.controller.policies.rings import Ring, ring_of
from lockgate.controller.policies.store import Origin, PolicySource, PolicyState
from lockgate.policy import Policy, default_policy
from lockgate.policy.document import read
from lockgate.policy.load import DEFAULT, load_texts

#: How often the store is asked.
SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy, and the content that it was read from."""

    policy: Policy
    documents: bytes


@dataclass(frozen=True, slots=True)
class Deciding:
    """One consistent set: the active policy, and the one that rolls through the rings.

    ``step`` grows with every change of the set.
    """

    active: Loaded
    rolling: Loaded | None = None
    reached: frozenset[str] = frozenset()
    rings: tuple[Ring, ...] = ()
    step: int = 0

    def loaded_for(self, host: str) -> Loaded:
        """What decides on a host's transfers, with its content."""
        if self.rolling is not None and ring_of(host, self.rings) in self.reached:
            return self.rolling
        return self.active

    def of_host(self, host: str) -> Policy:
        """The policy that decides on a host's transfers."""
        return self.loaded_for(host).policy


class LivePolicies:
    """The newest set."""

    def __init__(self) -> None:
        self.current = Deciding(Loaded(default_policy(), content.write([read(DEFAULT)])))

    def refresh(self, connection: Connection) -> bool:
        """Follow the store; whether there was anything new.

        Raises:
            PolicyError: it cannot be read.
        """
        step = store.step(connection)
        if step == self.current.step:
            return False
        active = store.in_state(connection, PolicyState.ACTIVE)
        rolling = store.in_state(connection, PolicyState.ROLLING)
        if active is not None:
            self.current = Deciding(
                active=_loaded(active),
                rolling=_loaded(rolling) if rolling else None,
                reached=frozenset(rolling.rings if rolling else ()),
                rings=store.read_rings(connection),
                step=step,
            )
        return True


def _loaded(version: store.Version) -> Loaded:
    return Loaded(version.policy, version.documents.encode())


def settle(
    connection: Connection,
    ledger: Ledger,
    files: Sequence[Path],
    rings: Sequence[Ring],
    now: datetime,
) -> None:
    """At the start: keep the rings, and let the settings' files or the default decide.

    What people have changed stays in force unless the settings name files.

    Raises:
        PolicyError: the files are no policy.
    """
    store.put_rings(connection, ledger, rings, now)
    active = store.in_state(connection, PolicyState.ACTIVE)
    source = PolicySource.FILES if files else PolicySource.DEFAULT
    if source is PolicySource.DEFAULT and active is not None:
        rolling = store.in_state(connection, PolicyState.ROLLING)
        if rolling is not None or active.source is PolicySource.CHANGE:
            return
    sources = [read(path) for path in files or (DEFAULT,)]
    wanted = load_texts(sources)
    if active is None or (active.source, active.digest) != (source, wanted.digest):
        store.begin(connection, ledger, content.write(sources).decode(), Origin(source), now)
