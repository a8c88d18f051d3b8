"""Expiry beside the calls: in small units of work, once an hour.

Rules enforced here:

1. No unit of work is long: calls are answered in between.
2. Nothing expires on a clock that ran ahead; see ``trust``.
3. Bytes leave store and tiles only when their expiry is signed for; where that was cut short, it
   goes on at the next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from socket import gethostname
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import HIGH
from lockgate.controller.ledger import publishing
from lockgate.controller.retention import expiry, trust
from lockgate.controller.retention.settings import Kept, periods
from lockgate.controller.services import Parts
from lockgate.controller.store.database import store_faults

T = TypeVar("T")

SECONDS = 3600.0
_WAITS = "Nothing expires until `lockgate ledger accept-clock` says that the time is right."

log = structlog.get_logger()


class Expiry:
    """One turn after the other."""

    def __init__(self, parts: Parts, now: Callable[[], datetime] = clock.now) -> None:
        self._parts = parts
        self._now = now
        self._alerted = False

    async def turn(self) -> None:
        """Drop what is signed for; then let expire what is due."""
        await self._drop()
        now = self._now()
        if not await self._submit(lambda c: trust.believe(c, now)):
            await self._tell(now)
            return
        self._alerted = False
        days = await self._submit(self._periods)
        for kept in Kept:
            while (await self._submit(partial(self._step, kept, days, now))).more:
                pass

    def _step(
        self, kept: Kept, days: dict[Kept, int], now: datetime, connection: Connection
    ) -> expiry.Step:
        return expiry.step(connection, self._parts.ledger, kept, days, now)

    def _periods(self, connection: Connection) -> dict[Kept, int]:
        settings = self._parts.settings
        decided = expiry.decided_periods(connection)
        return periods(settings.retention, decided, second_person=settings.second_person)

    async def _drop(self) -> None:
        for one in await self._submit(expiry.droppable):
            await self._submit(partial(expiry.drop, ranges=one.ranges))
            await asyncio.to_thread(self._drop_tiles, one.ranges)
            await self._submit(partial(expiry.forget, entry=one.entry))

    def _drop_tiles(self, ranges: tuple[expiry.Range, ...]) -> None:
        with store_faults(), self._parts.reader.connect() as connection:
            publishing.drop(connection, self._parts.settings.ledger_folder, ranges)

    async def _tell(self, now: datetime) -> None:
        """Record and alert, once, that the clock is not believed."""
        if self._alerted:
            return

        def work(connection: Connection) -> None:
            latest = trust.believed(connection)
            fields = {"event": "clock-ahead", "believed": clock.text(_micros(latest))}
            entry = {"kind": "clock-ahead", "time": clock.rfc3339(now), **fields}
            index = self._parts.ledger.append(connection, entry)
            title = "the clock is more than a day ahead of the last expiry"
            told = notice_event(title, _WAITS, gethostname(), HIGH, index, fields, now)
            outbox.put(connection, told, index, clock.to_micros(now))

        await self._submit(work)
        self._alerted = True
        log.warning("nothing expires: the clock is ahead")

    async def _submit(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._parts.writer.submit(work))


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else clock.to_micros(moment)
