"""Running an agent that holds opens.

Rules enforced here:

1. Nothing is armed before workers and decider stand; ``READY`` is said after the mark is set.
2. SIGTERM ends this process and leaves the holder: opens wait for the next agent. SIGINT at a
   terminal takes the guard off in order, which is recorded.
3. What happened while no agent ran is reported before anything is armed.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from typing import Any

from lockgate.agent.config import AgentSettings
from lockgate.agent.guard.gate import GateSettings
from lockgate.agent.guard.group import GroupLink
from lockgate.agent.guard.loop import Guard, GuardSettings
from lockgate.agent.guard.zones import open_zone
from lockgate.agent.quarantine.store import Quarantine, QuarantineQuota
from lockgate.agent.services import announce, host_of, say, services
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.verdicts.records import keep_armed, report_records
from lockgate.agent.workers.pool import WorkerPool
from lockgate.wire.transfer import GuardChange


def run_guard(settings: AgentSettings, decider: AnyDecider, workers: WorkerPool) -> None:
    """Hold the opens of the zones until told to end."""
    _raise_descriptor_limit(2 * settings.pending_limit + 1024)
    own = [settings.state_dir, settings.run_dir]
    zones = [open_zone(z.zone, z.path, own) for z in settings.zones]
    quota = QuarantineQuota(settings.quarantine.max_bytes, settings.quarantine.max_files)
    quarantine = Quarantine(settings.state_dir, zones, quota)
    gate = GateSettings(
        deadline_s=settings.open_deadline_seconds, pending_limit=settings.pending_limit
    )
    guard_settings = GuardSettings(
        host=host_of(settings, decider), gate=gate, scan_timeout_s=settings.scan.timeout_seconds
    )
    link = GroupLink.open(settings.run_dir)
    guard = Guard(zones, workers, decider, guard_settings, link, quarantine)

    def status() -> dict[str, Any]:
        seen = guard.snapshot()
        return {
            "mode": "enforce",
            "state": seen.state.value,
            "reasons": list(seen.reasons),
            "zones": list(seen.zones),
            "pending": seen.pending,
            "counts": seen.counts,
            "older_than_mark": len(seen.older_than_mark),
        }

    def take_off(*_: object) -> None:
        # By a process of its own: the holder ends this one before it answers.
        program = [sys.executable, "-c", "from lockgate.agent.cli.app import app; app()", "disarm"]
        program += ["--run-dir", str(settings.run_dir), "--state-dir", str(settings.state_dir)]
        subprocess.Popen(program, stdin=subprocess.DEVNULL, start_new_session=True)

    names = [zone.zone for zone in zones]
    report_records(settings.state_dir, decider, names)
    signal.signal(signal.SIGTERM, lambda *_: guard.stop())
    signal.signal(signal.SIGINT, take_off)
    with services(settings, decider, workers, status):
        guard.arm()
        keep_armed(settings, decider, names)
        announce(decider, names, GuardChange.ARMED, "agent started")
        guard.run()
    if guard.disarmed:
        say("the guard is off: opens pass freely")
    else:
        link.close()
        say("the agent ended; its holder keeps refusing opens until an agent starts again.")
        say("To let opens through without an agent: lockgate agent disarm")


def _raise_descriptor_limit(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(wanted, 8192)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
