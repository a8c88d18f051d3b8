"""The loop of the modes that hold no open: one turn of every zone after each event.

Rules enforced here: one thread does all the work, also what it is told to do meanwhile; asking for
the status takes nothing but facts, from any thread.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from lockgate.agent.config import Mode
from lockgate.agent.watch.judging import Judging

#: Longest time between turns, in seconds.
_LONGEST_TURN_S = 5.0


class WatchedZone(Protocol):
    """One zone in one of the modes. ``AGAIN`` says what :meth:`look_again` comes to."""

    AGAIN: str

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll."""
        ...

    def turn(self) -> float:
        """Do what can be done now; seconds until there may be more without an event."""
        ...

    def status(self) -> dict[str, Any]:
        """``zone``, ``pending``, ``counts``, and ``reasons``: what may have been missed."""
        ...

    def look_again(self) -> None:
        """Forget what is known of files, and look at all of them soon."""
        ...

    def close(self) -> None:
        """Stop watching."""
        ...


class Watch:
    """Watches zones of one mode."""

    def __init__(self, mode: Mode, zones: Sequence[WatchedZone], judging: Judging[Any]) -> None:
        self._mode = mode
        self._zones = tuple(zones)
        self._judging = judging
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self._closing = threading.Lock()
        self._closed = False
        self._told: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def run(self) -> None:
        """Watch until :meth:`stop`, then close the zones."""
        try:
            while not self._stopping:
                self._do_what_was_told()
                self._judging.turn()
                patience = min(zone.turn() for zone in self._zones)
                if not self._stopping:  # what woke us to stop may have been read already
                    self._wait(min(patience, _LONGEST_TURN_S))
        finally:
            self._judging.close()
            for zone in self._zones:
                zone.close()
            with self._closing:
                self._closed = True
                os.close(self._wake)

    def stop(self) -> None:
        """End :meth:`run`; may be called once, also from a signal's handler."""
        if not self._stopping:
            self._stopping = True
            os.eventfd_write(self._wake, 1)

    def at_next_turn(self, work: Callable[[], None]) -> None:
        """Have the watching thread do something soon; from any thread."""
        self._told.put(work)
        with self._closing:  # after the end the descriptor's number is somebody else's
            if not self._closed:
                os.eventfd_write(self._wake, 1)

    def status(self) -> dict[str, Any]:
        """What ``lockgate agent status`` shows of these modes."""
        zones = [zone.status() for zone in self._zones]
        counts: Counter[str] = Counter()
        for zone in zones:
            counts.update(zone["counts"])
        return {
            "mode": self._mode.value,
            "pending": sum(zone["pending"] for zone in zones),
            "counts": dict(counts),
            "may_have_missed": {zone["zone"]: zone["reasons"] for zone in zones},
        }

    def _do_what_was_told(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while not self._told.empty():
            self._told.get()()

    def _wait(self, seconds: float) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        zones = [number for zone in self._zones for number in zone.filenos()]
        for number in (*self._judging.filenos(), *zones):
            poller.register(number, select.POLLIN)
        poller.poll(max(0.0, seconds) * 1000)
