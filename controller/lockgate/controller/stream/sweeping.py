"""What is done about all streams again and again, beside what their agents say.

Rules enforced here:

1. Heartbeats are kept and acknowledged, commands given out and expired, silence recorded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine

from lockgate.controller import clock
from lockgate.controller.records import Ledger
from lockgate.controller.store.database import store_faults
from lockgate.controller.store.writer import Writer
from lockgate.controller.stream import commands, states
from lockgate.controller.stream.beats import Watch
from lockgate.controller.stream.hub import Given, Hub
from lockgate.wire.agent import CommandOutcome

T = TypeVar("T")

#: Seconds between turns, and turns between looks at what changes slowly.
TURN_SECONDS = 1.0
_SLOW_TURNS = 5
#: So many heartbeats may be late before an agent counts as silent.
_LATE_BEATS = 4


@dataclass(slots=True)
class Sweep:
    """The turns of one controller."""

    hub: Hub
    writer: Writer
    reader: Engine
    ledger: Ledger
    heartbeat_seconds: float
    _turn: int = 0
    _watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self._watch = Watch(_LATE_BEATS * self.heartbeat_seconds)

    async def turn(self) -> None:
        """One turn.

        Raises:
            StoreError: the store is away; what was to be kept is kept at the next turn.
        """
        now = clock.now()
        await self._keep_heard(now)
        await self._give_out(now)
        self._turn += 1
        if self._turn % _SLOW_TURNS == 0:
            await self._write(lambda c: commands.expire(c, self.ledger, now))
            await self._look_for_silence(now)

    async def _keep_heard(self, now: datetime) -> None:
        heard = self.hub.take_heard()
        if not heard:
            return
        try:
            await self._write(lambda c: states.keep(c, self.ledger, heard, now))
        except BaseException:
            self.hub.put_back(heard)
            raise
        self.hub.acknowledge(heard)

    async def _give_out(self, now: datetime) -> None:
        """Give new commands to the streams that are open here."""
        fresh = await self._read(commands.undelivered)
        here = {key: host for key, host in fresh.items() if self.hub.of(host) is not None}
        if not here:
            return
        bodies = await self._read(lambda c: commands.bodies(c, list(here)))
        given = {key: self.hub.give(here[key], key, body) for key, body in bodies.items()}
        told = [key for key, what in given.items() if what is Given.TOLD]
        beyond = [key for key, what in given.items() if what is Given.BEYOND_IT]
        if told or beyond:
            await self._write(lambda c: self._record_given(c, told, beyond, now))

    def _record_given(
        self, connection: Connection, told: list[str], beyond: list[str], now: datetime
    ) -> None:
        commands.delivered(connection, told, now)
        for command_id in beyond:
            commands.give_up(connection, self.ledger, command_id, CommandOutcome.UNSUPPORTED, now)

    async def _look_for_silence(self, now: datetime) -> None:
        marks = dict(await self._read(states.marks))
        hosts = self._watch.look(marks.items(), time.monotonic())
        if hosts:
            quiet = {host: marks[host] for host in hosts}
            await self._write(lambda c: states.silent(c, self.ledger, quiet, now))

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with store_faults(), self.reader.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(run)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self.writer.submit(work))
