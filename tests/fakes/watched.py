"""A watch of one zone in this process, with neighbours that judge by a marker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guard_neighbours import FakeDecider, FakeWorkers

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.watch.audit import Audit
from lockgate.agent.watch.inotify import Inotify
from lockgate.agent.watch.judging import Judging
from lockgate.agent.watch.monitor import Monitor
from lockgate.agent.watch.outbox import Outbox
from lockgate.agent.watch.sources import Source
from lockgate.agent.watch.staging import Staging
from lockgate.agent.watch.watch import Watch, WatchedZone

QUIET_S = 0.05


@dataclass
class Watched:
    """The parts of a running watch."""

    zone: WatchedZone
    decider: FakeDecider
    workers: FakeWorkers
    status: Callable[[], dict[str, Any]]
    at_next_turn: Callable[[Callable[[], None]], None]
    ended: list[BaseException] = field(default_factory=list)

    def wait(self, condition: Callable[[], object], timeout_s: float = 30.0) -> None:
        """Wait until the condition holds."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert not self.ended, self.ended
            assert time.monotonic() < end, "what was waited for did not come"
            time.sleep(0.01)

    def wait_for_receipts(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until so many receipts were recorded."""
        self.wait(lambda: len(self.decider.receipts) >= count, timeout_s)


Maker = Callable[[ZoneSettings, "Judging[Any]"], WatchedZone]


@contextmanager
def watching(
    path: Path,
    mode: Mode,
    make: Maker,
    decider: FakeDecider | None = None,
    workers: FakeWorkers | None = None,
) -> Iterator[Watched]:
    """Watch ``path`` in a thread."""
    decider, workers = decider or FakeDecider(), workers or FakeWorkers()
    judging: Judging[Any] = Judging(workers, decider, 60.0)
    zone = make(ZoneSettings(path, mode=mode), judging)
    watch = Watch(mode, [zone], judging)
    seen = Watched(zone, decider, workers, watch.status, watch.at_next_turn)

    def run() -> None:
        try:
            watch.run()
        except BaseException as error:  # told to the test that waits
            seen.ended.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seen
    finally:
        watch.stop()
        thread.join()


def outbox(zone: ZoneSettings, judging: Judging[Any]) -> Outbox:
    """An outbox over inotify."""
    staging = Staging(zone.path)
    return Outbox(zone, "host", judging, staging, Inotify(staging.outbox), quiet_s=QUIET_S)


def monitor(source_of: Callable[[Path], Source], rescan_s: float = 300.0) -> Maker:
    """A monitor over a source."""

    def make(zone: ZoneSettings, judging: Judging[Any]) -> Monitor:
        source = source_of(zone.path)
        return Monitor(zone, "host", judging, source, quiet_s=QUIET_S, rescan_s=rescan_s)

    return make


def audit(zone: ZoneSettings, judging: Judging[Any]) -> Audit:
    """An audit of the opens of other processes."""
    return Audit(zone, "host", judging, list)
