"""Running an agent in a mode that holds no open.

Rules enforced here: what a mode cannot do, and may miss, is said before it starts, and the
controller hears that this host is blind to reads.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockgate.agent.config import AgentSettings, Mode, ZoneSettings
from lockgate.agent.services import announce, host_of, say, services, unheld
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.verdicts.records import report_records
from lockgate.agent.watch.audit import Audit
from lockgate.agent.watch.deeds import WatchDeeds
from lockgate.agent.watch.inotify import Inotify
from lockgate.agent.watch.judging import Judging
from lockgate.agent.watch.monitor import Monitor
from lockgate.agent.watch.notify import Notify
from lockgate.agent.watch.outbox import Outbox
from lockgate.agent.watch.sources import Source
from lockgate.agent.watch.staging import Staging
from lockgate.agent.watch.watch import Watch, WatchedZone
from lockgate.agent.workers.pool import WorkerPool
from lockgate.wire.transfer import GuardChange

_CANNOT = {
    Mode.OUTBOX: "what is put into outbox is moved on after a verdict; other reads are not held",
    Mode.AUDIT: "opens are reported after they happened; it CANNOT block a read",
    Mode.MONITOR: "files are scanned and reported; it CANNOT block a read, and it may miss files",
}
#: Seconds between looks at everything, by source of events.
_RESCAN_S = {"inotify": 300.0, "fanotify": 3600.0}


class WatchError(Exception):
    """A zone that cannot be watched; the text says why and what to do."""


def run_watch(settings: AgentSettings, decider: AnyDecider, workers: WorkerPool) -> None:
    """Watch the zones until told to end.

    Raises:
        WatchError, StagingError, OSError: a zone cannot be watched in its mode.
    """
    mode = settings.zones[0].mode
    judging: Judging[Any] = Judging(workers, decider, settings.scan.timeout_seconds)
    host = host_of(settings, decider)
    zones = [_watched(zone, host, judging, workers.process_ids) for zone in settings.zones]
    watch = Watch(mode, zones, judging)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.stop())
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # a writer that meets a lease of ours sends it
    names = [zone.zone for zone in settings.zones]
    report_records(settings.state_dir, decider, names)
    watched = {one.zone.name: zone for one, zone in zip(settings.zones, zones, strict=True)}
    deeds = WatchDeeds(watched, watch.at_next_turn).all()
    offer = replace(unheld(settings, decider, workers, watch.status), deeds=deeds)
    with services(settings, decider, workers, offer):
        say(f"{mode.value} mode: {_CANNOT[mode]}")
        for zone in zones:
            said = zone.status()
            for reason in said["reasons"]:
                say(f"{said['zone']}: {reason}")
        announce(decider, names, GuardChange.BLIND, f"{mode.value} mode: opens are not held")
        watch.run()


def _watched(
    zone: ZoneSettings,
    host: str,
    judging: Judging[Any],
    worker_pids: Callable[[], list[int]],
) -> WatchedZone:
    if not zone.path.is_dir():
        raise WatchError(f"{zone.path}: there is no such directory")
    if zone.mode is Mode.AUDIT:
        return _audit(zone, host, judging, worker_pids)
    if zone.mode is Mode.OUTBOX:
        staging = Staging(zone.path)
        return Outbox(zone, host, judging, staging, Inotify(staging.outbox))
    source = _source_of(zone.path)
    return Monitor(zone, host, judging, source, rescan_s=_RESCAN_S[source.name])


def _source_of(folder: Path) -> Source:
    """The notification group for root, where the filesystem has one; else inotify."""
    try:
        return Notify(folder)
    except OSError:
        return Inotify(folder)


def _audit(
    zone: ZoneSettings,
    host: str,
    judging: Judging[Any],
    worker_pids: Callable[[], list[int]],
) -> Audit:
    try:
        return Audit(zone, host, judging, worker_pids)
    except OSError as error:
        if error.errno == errno.EPERM or os.geteuid() != 0:
            why = "audit mode needs root (CAP_SYS_ADMIN for fanotify events of opens)"
        else:
            why = f"its filesystem tells no opens ({error.strerror})"
        raise WatchError(f"{zone.path}: {why}; or use `--mode monitor`") from None
