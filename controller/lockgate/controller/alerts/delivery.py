"""Carrying the outbox to its destinations.

Rules enforced here:

1. Every destination has its own task: one that is down does not hold up another.
2. After a failure the destination is tried again, after 0.5 s and then twice as long each
   time, up to a minute, for ever: an alert is never dropped because a receiver was away.
3. Of several controllers on one store, the one that has the destination's lease delivers.
4. When an acknowledgement cannot be recorded (a full disk), the batch is delivered again.
5. Whatever else goes wrong with one destination, by its settings or its answers, is a failure
   of that destination and holds up nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, Engine

from lockgate.controller import clock
from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.sink import RejectedError, Sink, UnreachableError
from lockgate.controller.store.database import StoreError, store_faults
from lockgate.controller.store.lease import Holds
from lockgate.controller.store.writer import Writer

_BATCH = 500
_IDLE_SECONDS = 0.2
_NOT_OURS_SECONDS = 1.0
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 60.0

log = structlog.get_logger()


class Delivery:
    """Drains the outbox into one sink."""

    def __init__(self, sink: Sink, reader: Engine, writer: Writer, holds: Holds) -> None:
        self._sink = sink
        self._reader = reader
        self._writer = writer
        self._holds = holds
        self._retry = _FIRST_RETRY
        self._known = False

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                pause = await self.step()
            except StoreError as error:
                log.warning("delivery not recorded", destination=self._sink.name, error=str(error))
                pause = _FIRST_RETRY
            await asyncio.sleep(pause)

    async def step(self) -> float:
        """Deliver one batch; how many seconds to wait before the next."""
        if not await asyncio.to_thread(self._holds, f"destination {self._sink.name}"):
            return _NOT_OURS_SECONDS
        if not self._known:
            name, confirms = self._sink.name, self._sink.confirms
            await self._write(lambda c: outbox.add_destination(c, name, confirms=confirms))
            self._known = True
        batch = await asyncio.to_thread(self._next)
        if not batch:
            return _IDLE_SECONDS
        try:
            await asyncio.to_thread(self._sink.deliver, batch)
        except UnreachableError as error:
            if error.acknowledged is not None:
                await self._acknowledge(error.acknowledged)
            return await self._failed(str(error))
        except RejectedError as rejected:
            await self._bury(rejected)
        except Exception as error:  # noqa: BLE001  (rule 5; its text may quote a secret)
            return await self._failed(f"the sink broke: {type(error).__name__}")
        else:
            await self._acknowledge(batch[-1].id)
        self._retry = _FIRST_RETRY
        return 0.0

    def _next(self) -> list[outbox.Alert]:
        with store_faults(), self._reader.connect() as connection:
            return outbox.next_batch(connection, self._sink.name, _BATCH)

    async def _acknowledge(self, alert_id: int) -> None:
        now = clock.to_micros(clock.now())
        await self._write(lambda c: outbox.acknowledge(c, self._sink.name, alert_id, now))

    async def _failed(self, error: str) -> float:
        now = clock.to_micros(clock.now())
        log.warning("alert destination unreachable", destination=self._sink.name, error=error)
        await self._write(lambda c: outbox.record_failure(c, self._sink.name, error, now))
        wait, self._retry = self._retry, min(self._retry * 2, _LONGEST_RETRY)
        return wait

    async def _bury(self, rejected: RejectedError) -> None:
        now, alert = clock.to_micros(clock.now()), rejected.alert
        log.error("alert refused", destination=self._sink.name, uid=alert.uid, error=str(rejected))
        await self._write(lambda c: outbox.bury(c, self._sink.name, alert.id, str(rejected), now))

    async def _write(self, work: Callable[[Connection], None]) -> None:
        await asyncio.wrap_future(self._writer.submit(work))
