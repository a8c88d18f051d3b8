"""Running what is queued for one hook.

Rules enforced here:

1. At least once: the claim is durable before an attempt, its receipt after it. An attempt without
   a receipt is made again, with the same idempotency key.
2. Every hook has its own task: one that hangs holds up no other. After a failure a run rests for
   a second, then twice as long each time, up to five minutes; others of the hook go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine

from lockgate.controller import clock
from lockgate.controller.alerts.transport import PATIENCE_S
from lockgate.controller.appending import Ledger
from lockgate.controller.hooks import command, queue, webhook
from lockgate.controller.hooks.command import Outcome
from lockgate.controller.hooks.payload import payload
from lockgate.controller.hooks.queue import Run
from lockgate.controller.hooks.settings import Hook
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.store.database import StoreError, store_faults
from lockgate.controller.store.writer import Writer

T = TypeVar("T")

_IDLE_SECONDS = 0.5
_FIRST_REST, _LONGEST_REST = 1.0, 300.0
#: What a claim lasts beyond the time limit of its attempt.
_MARGIN = timedelta(seconds=60)

log = structlog.get_logger()


class HookRunner:
    """Runs one hook; ``who`` names this controller, ``keys`` gives the registry as it is."""

    def __init__(
        self,
        hook: Hook,
        who: str,
        keys: Callable[[], ProtectedKeys],
        reader: Engine,
        writer: Writer,
        ledger: Ledger,
    ) -> None:
        self._hook = hook
        self._who = who
        self._keys = keys
        self._reader = reader
        self._writer = writer
        self._ledger = ledger
        #: Monotonic times before which runs that have failed are not tried again.
        self._rests: dict[int, float] = {}

    async def run(self) -> None:
        """Run what is queued until cancelled."""
        while True:
            try:
                busy = await self.step()
            except StoreError as error:
                log.warning("hook run not recorded", hook=self._hook.name, error=str(error))
                busy = False
            if not busy:
                await asyncio.sleep(_IDLE_SECONDS)

    async def step(self) -> bool:
        """Attempt the next run, if there is one."""
        if not await asyncio.to_thread(self._read, self._is_due):
            return False
        run = await self._write(self._claim)
        if run is None:
            return False
        self._rest(run)  # should the receipt not be written, the run does not come at once again
        outcome = await self._attempt(run)
        now = clock.now()
        await self._write(lambda c: queue.receipt(c, self._ledger, run, outcome, now))
        self._note(run, outcome)
        return True

    def _is_due(self, connection: Connection) -> bool:
        return (
            queue.due(connection, self._hook.name, self._who, clock.now(), self._resting())
            is not None
        )

    def _claim(self, connection: Connection) -> Run | None:
        patience = timedelta(seconds=max(self._hook.time_limit_seconds, PATIENCE_S)) + _MARGIN
        return queue.claim(
            connection, self._hook, self._who, clock.now(), patience, self._resting()
        )

    async def _attempt(self, run: Run) -> Outcome:
        try:
            return await self._try(run)
        except StoreError:
            raise
        except Exception as error:
            log.exception("hook run broke", hook=run.hook, run=run.uid)
            return Outcome(None, type(error).__name__)

    async def _try(self, run: Run) -> Outcome:
        keys, now, hook = self._keys(), clock.now(), self._hook
        told = await asyncio.to_thread(self._read, lambda c: payload(c, run, keys, now))
        if hook.webhook is None:
            return await command.run(hook.command, told, hook.time_limit_seconds)
        repeated = run.attempt > 1
        return await asyncio.to_thread(
            webhook.post, hook.webhook, run.uid, told, is_repeated=repeated
        )

    def _note(self, run: Run, outcome: Outcome) -> None:
        fields = {"hook": run.hook, "run": run.uid, "attempt": run.attempt}
        if outcome.succeeded or outcome.final:
            self._rests.pop(run.id, None)
            log.info("hook run ended", **fields, status=outcome.status)
        else:
            self._rest(run)
            log.warning("hook run failed", **fields, error=outcome.error)

    def _rest(self, run: Run) -> None:
        """Let a run wait, from now on, for as long as its failures so far ask for."""
        rest = min(_FIRST_REST * 2.0 ** min(run.attempt - 1, 20), _LONGEST_REST)
        self._rests[run.id] = time.monotonic() + rest

    def _resting(self) -> list[int]:
        now = time.monotonic()
        return [run for run, until in self._rests.items() if until > now]

    def _read(self, work: Callable[[Connection], T]) -> T:
        with store_faults(), self._reader.connect() as connection:
            return work(connection)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._writer.submit(work))
