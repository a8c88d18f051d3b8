"""What runs beside the calls for as long as the controller serves: one line for each work.

Rules enforced here:

1. Work that fails because the store or a disk does is tried again at its next turn.
2. Work that ends by another fault takes the process down: a controller that no longer alerts
   must not look healthy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from lockgate.controller import answers, clock, files, known_keys, leaks, records
from lockgate.controller.alerts.delivery import Delivery
from lockgate.controller.alerts.destinations import sinks
from lockgate.controller.ledger import publishing
from lockgate.controller.passports import blindness
from lockgate.controller.passports.revoking import ListPublisher
from lockgate.controller.policies import beside as policies
from lockgate.controller.policies import live, rollout
from lockgate.controller.policies.rings import Tolerance
from lockgate.controller.policies.rollout import Watch
from lockgate.controller.release.deadlines import TURN_SECONDS as DEADLINE_SECONDS
from lockgate.controller.release.deadlines import Deadlines
from lockgate.controller.retention.beside import SECONDS as EXPIRY_SECONDS
from lockgate.controller.retention.beside import Expiry
from lockgate.controller.services import Parts
from lockgate.controller.store.database import StoreError, store_faults
from lockgate.controller.stream import cutting
from lockgate.controller.stream.cutting import CutOff
from lockgate.controller.stream.sweeping import TURN_SECONDS, Sweep

_OVERDUE_SECONDS = 10.0
_CHECKPOINT_SECONDS = 5.0
_EXPIRY_SECONDS = 30.0
_REFUSALS_SECONDS = 60.0
_PRUNE_SECONDS = 3600.0
_RULE_PACK_SECONDS = 3600.0
_TRIAGE_SECONDS = 5.0
#: How long an agent that did not hear an answer may ask for it again.
_ANSWERS_KEPT = timedelta(days=7)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notary:
    """Signs the ledger's tree and publishes tiles and checkpoint in ``folder``."""

    key: Ed25519PrivateKey = field(repr=False)
    origin: str
    folder: Path

    async def sign(self, parts: Parts) -> None:
        """Sign the tree as it is; published only once that is committed."""
        work = parts.writer.submit(lambda c: parts.ledger.checkpoint(c, self.key, self.origin))
        note = await asyncio.wrap_future(work)
        await asyncio.to_thread(self._publish, parts, note)

    def _publish(self, parts: Parts, note: str) -> None:
        with store_faults(), parts.reader.connect() as connection:
            publishing.publish(connection, note, self.folder)


def works(parts: Parts, notary: Notary) -> list[Coroutine[Any, Any, None]]:
    """All of it, ready to run."""
    overdue_seconds = min(_OVERDUE_SECONDS, parts.settings.receipt_minutes * 15)
    deadlines = Deadlines(parts.ledger, parts.writer)
    sweep = Sweep(
        parts.hub, parts.writer, parts.reader, parts.ledger, parts.settings.heartbeat_seconds
    )
    deliveries = [
        Delivery(sink, parts.reader, parts.writer, parts.holds).run()
        for sink in sinks(parts.settings)
    ]
    return [
        _every(overdue_seconds, lambda: _count(parts, "receipts overdue", _overdue)),
        _every(_EXPIRY_SECONDS, lambda: _count(parts, "changes expired", _expired)),
        _every(DEADLINE_SECONDS, deadlines.turn),
        _every(TURN_SECONDS, sweep.turn),
        _every(_REFUSALS_SECONDS, parts.calls.record_rest),
        _every(cutting.TURN_SECONDS, CutOff(parts.hub, parts.reader).turn),
        _every(_CHECKPOINT_SECONDS, lambda: notary.sign(parts)),
        _every(_CHECKPOINT_SECONDS, lambda: _publish_revocations(parts)),
        _every(EXPIRY_SECONDS, Expiry(parts).turn),
        _every(_PRUNE_SECONDS, lambda: _prune_answers(parts)),
        _every(_TRIAGE_SECONDS, lambda: _count(parts, "triage expired", leaks.end_rulings)),
        _every(known_keys.SECONDS, lambda: leaks.follow(parts)),
        *_policy_works(parts),
        *leaks.hook_runs(parts),
        _every(
            _PRUNE_SECONDS, lambda: asyncio.to_thread(publishing.remove_partials, notary.folder)
        ),
        *deliveries,
    ]


def _policy_works(parts: Parts) -> list[Coroutine[Any, Any, None]]:
    settings = parts.settings
    tolerance = Tolerance(settings.policy_stop_verdicts, settings.policy_stop_growth)
    watching = Watch(parts.ledger, tolerance)
    return [
        _every(live.SECONDS, lambda: policies.follow(parts)),
        _every(rollout.SECONDS, lambda: policies.watch(parts, watching)),
        _every(_RULE_PACK_SECONDS, lambda: policies.offer_rule_pack(parts)),
    ]


async def attempt(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do ``work``; a disk that is full now may not be so the next time."""
    try:
        await work()
    except (StoreError, OSError) as error:
        log.warning("work beside the calls failed", error=str(error))


async def _every(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do ``work`` again and again."""
    while True:
        await attempt(work)
        await asyncio.sleep(seconds)


async def _count(parts: Parts, what: str, work: Callable[[Parts, Connection], int]) -> None:
    """Do one unit of work, and log how much there was to do."""
    count = await asyncio.wrap_future(parts.writer.submit(lambda c: work(parts, c)))
    if count:
        log.warning(what, count=count)


async def _publish_revocations(parts: Parts) -> None:
    """Keep the signed list of revoked passports current, in the store and as a file."""
    issuer = parts.gate.passports
    publisher = ListPublisher(issuer.key, issuer.settings)

    def work(connection: Connection) -> bytes:
        now = clock.now()
        blindness.revoke_told(connection, parts.ledger, issuer.settings, now)
        return publisher.current(connection, now)

    envelope = await asyncio.wrap_future(parts.writer.submit(work))
    target = parts.settings.revocations_file
    if not target.exists() or target.read_bytes() != envelope:
        await asyncio.to_thread(files.replace, target, envelope)


def _overdue(parts: Parts, connection: Connection) -> int:
    return records.record_overdue(connection, parts.ledger, clock.now())


def _expired(parts: Parts, connection: Connection) -> int:
    return parts.changes.expire(connection, clock.now())


async def _prune_answers(parts: Parts) -> None:
    """Forget old answers, a batch at a time: calls are answered in between."""
    before = clock.to_micros(clock.now() - _ANSWERS_KEPT)
    while await asyncio.wrap_future(parts.writer.submit(lambda c: answers.prune(c, before))):
        pass
