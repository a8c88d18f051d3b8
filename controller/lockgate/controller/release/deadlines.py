"""What happens when nobody came in time, and when the clock itself is not to be trusted.

Rules enforced here:

1. A deadline that is over ends a release, or passes a hold on; each is a ledger entry and an alert,
   and none of them lets a file through.
2. Deadlines go by the recorded wall clock. That it was set, or that its host slept, is seen against
   a clock that nobody can set, recorded and alerted: nothing runs out silently.
   Small steps add up: what is compared is the time since the last step that was told.
3. A clock that was set back would make approvals last longer, so it ends them; a file that moves
   just then may not be tried again.
4. Much that is overdue at once is ended in portions, so that decisions are made in between.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, func, select

from lockgate.controller import clock
from lockgate.controller.alerts import outbox
from lockgate.controller.clock import from_micros, to_micros
from lockgate.controller.records import Ledger
from lockgate.controller.release import alerts, cases, entries, holds, machine
from lockgate.controller.release.progress import Progress
from lockgate.controller.release.states import Action, State
from lockgate.controller.store.schema import requests
from lockgate.controller.store.writer import Writer

#: Seconds between two looks.
TURN_SECONDS = 5.0
#: Smaller differences are clock discipline (NTP slews at most 0.5 ms a second) and busy hosts.
LEAST_JUMP = timedelta(seconds=30)
#: What is ended in one unit of work: so many releases, and so many holds.
MOST_AT_ONCE = 200

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Moment:
    """One point in time by both clocks; ``steady`` in seconds that nobody can set."""

    wall: datetime
    steady: float

    @classmethod
    def at(cls, wall: datetime) -> Moment:
        """``wall`` is now."""
        return cls(wall, time.monotonic())


def jump(before: Moment, after: Moment) -> timedelta:
    """By how much the wall clock moved more than time did."""
    return (after.wall - before.wall) - timedelta(seconds=after.steady - before.steady)


def anchor(before: Moment | None, now: Moment) -> Moment:
    """What the clock is measured from after it was looked at ``now``."""
    told = before is None or abs(jump(before, now)) >= LEAST_JUMP
    return now if told or before is None else before


class Deadlines:
    """Looks for what is overdue."""

    def __init__(self, ledger: Ledger, writer: Writer) -> None:
        self._ledger = ledger
        self._writer = writer
        self._progress = Progress(ledger)
        self._last: Moment | None = None

    async def turn(self) -> None:
        """Look until nothing is overdue."""
        more = True
        while more:
            now, last = Moment.at(clock.now()), self._last
            work = self._writer.submit(partial(self.look, last=last, now=now))
            if count := await asyncio.wrap_future(work):
                log.warning("waits ended", count=count)
            self._last = anchor(last, now)
            more = count >= MOST_AT_ONCE

    def look(self, connection: Connection, last: Moment | None, now: Moment) -> int:
        """End, pass on, record and alert whatever is overdue; how much there was.

        ``last``: what the clock is measured from; None: nothing yet in this process.
        """
        moved = jump(last, now) if last else min(timedelta(), now.wall - _recorded(connection))
        if abs(moved) >= LEAST_JUMP:
            self._tell_jump(connection, moved, now.wall)
        if moved <= -LEAST_JUMP:
            self._end_approvals(connection, now.wall)
        over = cases.overdue(connection, now.wall, MOST_AT_ONCE)
        for release in over:
            self._progress.move(connection, release, machine.overdue(release.case), now.wall)
        return len(over) + holds.escalate(connection, self._ledger, now.wall, MOST_AT_ONCE)

    def _end_approvals(self, connection: Connection, now: datetime) -> None:
        """Let no approval last longer than it was given for."""
        for state in (State.APPROVED, State.RESTORING):
            for release in cases.standing(connection, state):
                self._progress.move(connection, release, Action.VOID, now)
        for release in cases.standing(connection, State.RELEASING):
            cases.save(connection, release, machine.cut(release.case))

    def _tell_jump(self, connection: Connection, moved: timedelta, now: datetime) -> None:
        index = self._ledger.append(connection, entries.clock_jumped(moved, now))
        outbox.put(connection, alerts.clock_event(moved, index, now), index, to_micros(now))


def _recorded(connection: Connection) -> datetime:
    """The newest time that calls have left in the store: the clock was there already."""
    return from_micros(connection.execute(select(func.max(requests.c.answered_at))).scalar() or 0)
