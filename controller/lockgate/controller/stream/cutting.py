"""Ending the streams of agents that would be refused if they called now.

Rules enforced here:

1. A stream whose certificate has ended or was revoked, or whose host was banned or evicted, is
   ended within two turns, whichever process or controller decided so.
2. This waits for nobody: neither for the writer, however much waits there, nor for other work's
   threads. While the store does not answer, certificates that end are cut off all the same, and
   whoever was turned away before stays so.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from lockgate.controller import clock
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.database import store_faults
from lockgate.controller.store.schema import agents, certificates
from lockgate.controller.stream.hub import Hub

#: Seconds between turns, and how long one waits for the store.
TURN_SECONDS = 1.0
_LONGEST_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Hosts that are banned, and serial numbers of certificates that were revoked."""

    hosts: frozenset[str] = frozenset()
    serials: frozenset[str] = frozenset()


def turned_away(connection: Connection, now: datetime) -> TurnedAway:
    """Whom the store refuses; certificates that have ended are left out."""
    banned = select(agents.c.host).where(agents.c.banned_at.is_not(None))
    revoked = select(certificates.c.serial).where(
        certificates.c.revoked_at.is_not(None), certificates.c.expires_at > clock.to_micros(now)
    )
    return TurnedAway(
        hosts=frozenset(connection.execute(banned).scalars()),
        serials=frozenset(connection.execute(revoked).scalars()),
    )


def cut_off(hub: Hub, refused: TurnedAway, now: datetime) -> None:
    """End every stream whose agent would be refused if it called now."""
    for stream in hub.streams():
        peer = stream.peer
        if not peer.not_before <= now <= peer.not_after:
            stream.end(Refusal(RefusalReason.CERTIFICATE_EXPIRED))
        elif peer.host in refused.hosts:
            stream.end(Refusal(RefusalReason.BANNED))
        elif peer.serial in refused.serials:
            stream.end(Refusal(RefusalReason.CERTIFICATE_REVOKED))


class CutOff:
    """The turns of one controller."""

    def __init__(self, hub: Hub, reader: Engine) -> None:
        self._hub = hub
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, "cut-off")
        self._looking: asyncio.Future[TurnedAway] | None = None
        self._refused = TurnedAway()

    async def turn(self) -> None:
        """One turn.

        Raises:
            StoreError: the store is away; whoever it refused before was cut off.
        """
        try:
            self._refused = await self._look() or self._refused
        finally:
            cut_off(self._hub, self._refused, clock.now())

    async def _look(self) -> TurnedAway | None:
        """Whom the store refuses; None while it does not say."""
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._thread, self._read)
        done, _ = await asyncio.wait({self._looking}, timeout=_LONGEST_LOOK)
        if not done:
            return None
        looked, self._looking = self._looking, None
        return looked.result()

    def _read(self) -> TurnedAway:
        with store_faults(), self._reader.connect() as connection:
            return turned_away(connection, clock.now())
