"""Versions of the policy in the store: begun, promoted ring by ring, taken back.

Rules enforced here:

1. Exactly one version is active, and decides wherever no newer one does; at most one is rolling,
   and decides on the hosts of the rings that it has reached.
2. Every step is one transaction with its ledger entry; the content of a version never changes.
3. A step that is not possible from the present state is a refusal, and nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from socket import gethostname
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import HIGH
from lockgate.controller.appending import Ledger
from lockgate.controller.clock import to_micros
from lockgate.controller.policies import entries
from lockgate.controller.policies.content import policy_of
from lockgate.controller.policies.rings import LAST, Ring, following
from lockgate.controller.policies.schema import policy_rings, policy_versions
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.policy import Policy
from lockgate.scan.words import Word

_LARGEST = 2**63 - 1
_COLUMNS = policy_versions.c
_STEP = select(func.coalesce(func.max(_COLUMNS.step), 0))
_NUMBER = select(func.coalesce(func.max(_COLUMNS.version), 0))


class PolicySource(Word):
    """Where a policy comes from."""

    DEFAULT = "default", "The one that is shipped."
    FILES = "files", "The files that the controller's settings name."
    CHANGE = "change", "A change that people made."


class PolicyState(Word):
    """What became of a version of the policy."""

    ROLLING = "rolling", "Decides on the hosts of the rings that it has reached."
    ACTIVE = "active", "Decides on every host for which there is no newer one."
    ROLLED_BACK = "rolled-back", "Was taken back; the one before it decides again."
    SUPERSEDED = "superseded", "A newer version has reached every host."


@dataclass(frozen=True, slots=True)
class Version:
    """One version; times in microseconds. ``ring_index``: ledger index of its last step."""

    number: int
    digest: str
    documents: str
    source: PolicySource
    state: PolicyState
    rings: tuple[str, ...]
    created_at: int
    changed_at: int
    ring_index: int
    change_id: str
    reason: str

    @property
    def policy(self) -> Policy:
        """What it says.

        Raises:
            PolicyError: this version of Lockgate cannot read it.
        """
        return policy_of(self.documents.encode())


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a new version comes from; ``people`` by id."""

    source: PolicySource
    change_id: str = ""
    people: tuple[str, ...] = ()


def step(connection: Connection) -> int:
    """Grows with every change of any version; 0 when there is none."""
    return int(connection.execute(_STEP).scalar_one())


def listed(connection: Connection, most: int) -> list[Version]:
    """The newest versions first."""
    rows = connection.execute(select(policy_versions).order_by(_COLUMNS.version.desc()).limit(most))
    return [_version(row) for row in rows]


def find(connection: Connection, number: int) -> Version | None:
    """One version by number; a peer may name one that no database could hold."""
    if number > _LARGEST:
        return None
    row = connection.execute(select(policy_versions).where(_COLUMNS.version == number)).first()
    return None if row is None else _version(row)


def in_state(connection: Connection, state: PolicyState) -> Version | None:
    """The newest version in a state; of the active and the rolling one there is one at most."""
    newest = select(policy_versions).where(_COLUMNS.state == state.value)
    row = connection.execute(newest.order_by(_COLUMNS.version.desc()).limit(1)).first()
    return None if row is None else _version(row)


def read_rings(connection: Connection) -> tuple[Ring, ...]:
    """The rings that the settings had when a controller last started."""
    rows = connection.execute(select(policy_rings).order_by(policy_rings.c.position))
    return tuple(Ring(row.name, tuple(json.loads(row.hosts)), row.bake_minutes) for row in rows)


def put_rings(
    connection: Connection, ledger: Ledger, configured: Sequence[Ring], now: datetime
) -> None:
    """Keep the rings of the settings; nothing happens when they are as before."""
    if read_rings(connection) == tuple(configured):
        return
    connection.execute(delete(policy_rings))
    for position, ring in enumerate(configured):
        connection.execute(
            insert(policy_rings).values(
                position=position,
                name=ring.name,
                hosts=json.dumps(ring.hosts),
                bake_minutes=ring.bake_minutes,
            )
        )
    ledger.append(connection, entries.rings(configured, now))


def begin(
    connection: Connection,
    ledger: Ledger,
    documents: str,
    origin: Origin,
    now: datetime,
) -> Version:
    """A new version: what people change goes through the rings, all else decides everywhere."""
    configured = read_rings(connection)
    by_change = origin.source is PolicySource.CHANGE
    first = following((), configured) if by_change else LAST
    digest = policy_of(documents.encode()).digest
    number = int(connection.execute(_NUMBER).scalar_one()) + 1
    entry = entries.version(
        number,
        digest=digest,
        source=origin.source.value,
        rings=[first],
        change_id=origin.change_id,
        by=origin.people,
        now=now,
    )
    index = ledger.append(connection, entry)
    if first == LAST:
        _supersede(connection, now)
    connection.execute(
        insert(policy_versions).values(
            version=number,
            digest=digest,
            documents=documents,
            source=origin.source.value,
            state=(PolicyState.ACTIVE if first == LAST else PolicyState.ROLLING).value,
            rings=json.dumps([first]),
            created_at=to_micros(now),
            changed_at=to_micros(now),
            ring_index=index,
            change_id=origin.change_id,
            reason="",
            step=step(connection) + 1,
        )
    )
    made = find(connection, number)
    assert made is not None
    return made


def promote(
    connection: Connection, ledger: Ledger, number: int, people: Sequence[str], now: datetime
) -> Version | Refusal:
    """Let the rolling version reach one ring more."""
    version = _rolling(connection, number)
    if isinstance(version, Refusal):
        return version
    ring = following(version.rings, read_rings(connection))
    index = ledger.append(
        connection,
        entries.promoted(number, digest=version.digest, ring=ring, by=people, now=now),
    )
    if ring == LAST:
        _supersede(connection, now)
    state = PolicyState.ACTIVE if ring == LAST else PolicyState.ROLLING
    return _write(connection, number, state, (*version.rings, ring), index, "", now)


def roll_back(
    connection: Connection,
    ledger: Ledger,
    number: int,
    reason: str,
    people: Sequence[str],
    now: datetime,
) -> Version | Refusal:
    """Take the rolling version back from every ring, and tell it."""
    version = _rolling(connection, number)
    if isinstance(version, Refusal):
        return version
    before = in_state(connection, PolicyState.ACTIVE)
    entry = entries.rolled_back(
        number,
        digest=version.digest,
        to_digest=before.digest if before else "",
        rings=version.rings,
        reason=reason,
        by=people,
        now=now,
    )
    index = ledger.append(connection, entry)
    fields = {"event": entry["kind"], "version": number, "policy_digest": version.digest}
    title, message = "policy taken back", f"Version {number} was taken back: {reason}"
    told = notice_event(title, message, gethostname(), HIGH, index, fields, now)
    outbox.put(connection, told, index, to_micros(now))
    return _write(connection, number, PolicyState.ROLLED_BACK, version.rings, index, reason, now)


def _rolling(connection: Connection, number: int) -> Version | Refusal:
    version = find(connection, number)
    if version is None:
        return Refusal(RefusalReason.NOT_FOUND, "policy version")
    if version.state is not PolicyState.ROLLING:
        return Refusal(RefusalReason.CONFLICT, f"the version is {version.state.value}")
    return version


def _supersede(connection: Connection, now: datetime) -> None:
    """End what was active or rolling: a newer version decides everywhere."""
    here = _COLUMNS.state.in_([PolicyState.ACTIVE.value, PolicyState.ROLLING.value])
    values = {"state": PolicyState.SUPERSEDED.value, "changed_at": to_micros(now)}
    connection.execute(update(policy_versions).where(here).values(**values))


def _write(
    connection: Connection,
    number: int,
    state: PolicyState,
    rings: Sequence[str],
    index: int,
    reason: str,
    now: datetime,
) -> Version:
    connection.execute(
        update(policy_versions)
        .where(_COLUMNS.version == number)
        .values(
            state=state.value,
            rings=json.dumps(list(rings)),
            changed_at=to_micros(now),
            ring_index=index,
            reason=reason,
            step=step(connection) + 1,
        )
    )
    written = find(connection, number)
    assert written is not None
    return written


def _version(row: Row[Any]) -> Version:
    return Version(
        number=row.version,
        digest=row.digest,
        documents=row.documents,
        source=PolicySource(row.source),
        state=PolicyState(row.state),
        rings=tuple(json.loads(row.rings)),
        created_at=row.created_at,
        changed_at=row.changed_at,
        ring_index=row.ring_index,
        change_id=row.change_id,
        reason=row.reason,
    )
