"""When files are judged that nobody waits for.

Rules enforced here:

1. Nothing is judged ahead of need while an open waits, or before the guarded filesystems were
   quiet for ``quiet_s`` seconds; but for a file that was asked for and takes long.
2. One walk at a time, and only as far as the backlog has room.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from lockgate.agent.guard.backlog import Backlog
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.guard.gate import Gate
from lockgate.agent.guard.opens import Opens
from lockgate.agent.guard.walk import Walk

#: Scans that nobody waits for, handed to the workers at once. None of them queues there, so
#: that an open which joins one never waits for another.
_AT_ONCE = 1


class Poller(Protocol):
    """The loop that waits for descriptors."""

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``fd`` is readable."""
        ...

    def remove_reader(self, fd: int) -> None:
        """Undo that."""
        ...


class IdleWork:
    """Judges the backlog in quiet times. ``roots``: device -> where a walk of it begins."""

    def __init__(
        self,
        gate: Gate,
        opens: Opens,
        backlog: Backlog,
        poller: Poller,
        roots: Mapping[int, str],
        quiet_s: float,
    ) -> None:
        self._gate = gate
        self._opens = opens
        self._backlog = backlog
        self._poller = poller
        self._roots = dict(roots)
        self._quiet_s = quiet_s
        self._walk: Walk | None = None

    @property
    def waits(self) -> bool:
        """Whether there is anything to do, now or later."""
        return not self._backlog.is_done or self._walk is not None

    @property
    def walks(self) -> int:
        """Filesystems that are walked for more files, or will be. Any thread may ask."""
        return len(self._backlog.missed) + (self._walk is not None)

    def due_in(self, now: float) -> float | None:
        """Seconds until :meth:`turn` has something to do; None: something else comes first."""
        if not self.waits:
            return None
        if self._gate.background >= _AT_ONCE or (self._walk and not self._walk.waits):
            return None  # a report or the walk wakes the loop
        return 0.0 if self._backlog.has_wanted else max(0.0, self._quiet_in(now))

    def turn(self, now: float) -> None:
        """Start what there is time for."""
        quiet = not self._gate.waits and self._quiet_in(now) <= 0
        while self._gate.background < _AT_ONCE:
            fd = self._backlog.take(wanted_only=not quiet)
            if fd is None:
                break
            self._judge(fd)
        if quiet:
            self._go_on_walking()

    def close(self) -> None:
        """End a walk."""
        if self._walk is not None:
            self._end(self._walk)

    def _quiet_in(self, now: float) -> float:
        return self._opens.last_event + self._quiet_s - now

    def _judge(self, fd: int) -> None:
        try:
            status = os.fstat(fd)
            wanted = self._gate.idle(fd, identity_of(status)) if status.st_nlink else []
            self._opens.do(wanted)
            if not wanted:
                self._opens.ask_who_is_left(fd)
        finally:
            os.close(fd)

    def _go_on_walking(self) -> None:
        if self._walk is None:
            self._start()
        elif self._walk.waits and self._backlog.has_room:
            self._walk.go_on()

    def _start(self) -> None:
        """Begin the walk of a device where something changed that did not fit."""
        device = next((d for d in self._backlog.missed if d in self._roots), None)
        if device is None:
            self._backlog.missed.clear()
            return
        try:
            walk = Walk(self._roots[device], self._backlog.missed[device])
        except OSError:  # no process or descriptor left: later
            return
        del self._backlog.missed[device]
        self._walk, self._opens.walker = walk, walk.tid
        self._poller.add_reader(walk.fileno(), lambda: self._hear(walk))

    def _hear(self, walk: Walk) -> None:
        walk.hear()
        if walk.ended:
            self._end(walk)

    def _end(self, walk: Walk) -> None:
        self._poller.remove_reader(walk.fileno())
        walk.close()
        self._walk, self._opens.walker = None, -1
