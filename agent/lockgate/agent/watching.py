"""Running an agent in a mode that holds no open.

Rules enforced here: what a mode cannot do is said before it starts, and the controller hears
that this host is blind to reads.
"""

from __future__ import annotations

import signal

from lockgate.agent.config import AgentSettings, Mode
from lockgate.agent.services import announce, host_of, say, services, unheld
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.verdicts.records import report_records
from lockgate.agent.watch.watch import Watch, WatchSettings
from lockgate.agent.workers.pool import WorkerPool
from lockgate.wire.transfer import GuardChange


def run_watch(settings: AgentSettings, decider: AnyDecider, workers: WorkerPool) -> None:
    """Watch the zones until told to end."""
    watch_settings = WatchSettings(host_of(settings, decider), settings.scan.timeout_seconds)
    watch = Watch(settings.zones, workers, decider, watch_settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.stop())
    zones = [z.zone for z in settings.zones]
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # a writer that meets a lease of ours sends it
    report_records(settings.state_dir, decider, zones)
    with services(settings, decider, workers, unheld(settings, decider, workers, watch.status)):
        watch.start()
        mode = settings.zones[0].mode
        if mode is Mode.MONITOR:
            say("monitor mode: files are scanned and reported; it CANNOT block a read, and it")
            say("may miss files (mappings, links, storms of events).")
        watching = f"{mode.value} mode: opens are not held"
        announce(decider, zones, GuardChange.BLIND, watching)
        watch.run()
