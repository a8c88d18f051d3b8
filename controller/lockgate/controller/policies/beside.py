"""Policies beside the calls: settled at the start, followed, watched on their way.

Rules enforced here:

1. At the start a policy that cannot be read stops the controller; later it is logged, and what
   decided before goes on deciding.
2. The store is read beside the writer; only steps are written.
"""

from __future__ import annotations

import asyncio

import structlog

from lockgate.controller import clock
from lockgate.controller.policies import live, rollout
from lockgate.controller.policies.bundles import rule_pack
from lockgate.controller.policies.rings import Judgement
from lockgate.controller.policies.rollout import Watch
from lockgate.controller.services import Parts
from lockgate.controller.store.database import store_faults
from lockgate.policy import PolicyError
from lockgate.wire.agent import OfferKind

log = structlog.get_logger()


async def settle(parts: Parts) -> None:
    """Let the settings, or what people have changed, decide.

    Raises:
        PolicyError: what is to decide cannot be read.
        StoreError: the store does not answer.
    """
    files, rings = parts.settings.policy_files, parts.settings.rings
    work = parts.writer.submit(lambda c: live.settle(c, parts.ledger, files, rings, clock.now()))
    await asyncio.wrap_future(work)
    await _refresh(parts)


async def follow(parts: Parts) -> None:
    """Let decisions use the policies as they are in the store."""
    try:
        if await _refresh(parts):
            log.info("policies read", active=parts.gate.policies.current.active.policy.digest)
    except PolicyError as error:
        log.warning("policy not used", fault=str(error.faults[0]))


async def watch(parts: Parts, watching: Watch) -> None:
    """Promote or take back the version that rolls, when it is time."""

    def look() -> rollout.Seen | None:
        with store_faults(), parts.reader.connect() as connection:
            return rollout.look(connection)

    seen = await asyncio.to_thread(look)
    judgement = watching.judge(seen) if seen else Judgement.WAIT
    if seen is None or judgement is Judgement.WAIT:
        return
    done = await asyncio.wrap_future(
        parts.writer.submit(lambda c: watching.act(c, seen, judgement))
    )
    log.warning("policy", version=seen.version.number, step=judgement.name, done=done)


async def offer_rule_pack(parts: Parts) -> None:
    """Tell agents which rule pack this version's scanner has."""
    pack = await asyncio.to_thread(rule_pack)
    digest = pack.removeprefix("sha256:")
    parts.hub.offer(OfferKind.RULE_PACK, lambda _host: digest)


async def _refresh(parts: Parts) -> bool:
    policies = parts.gate.policies

    def read() -> bool:
        with store_faults(), parts.reader.connect() as connection:
            return policies.refresh(connection)

    changed = await asyncio.to_thread(read)
    if changed:
        current = policies.current
        parts.hub.offer(OfferKind.POLICY, lambda host: current.of_host(host).digest)
    return changed
