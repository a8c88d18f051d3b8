"""A guard with fake neighbours as a process of its own, for tests that kill, stop and restart it.

Usage: guard_program.py ZONE RUN_DIR STATE_DIR [key=value ...]; prints READY when it holds opens.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from guard_neighbours import FakeDecider, FakeWorkers

from lockgate.agent.guard import features
from lockgate.agent.guard.gate import GateSettings
from lockgate.agent.guard.group import GroupLink, LinkSettings
from lockgate.agent.guard.loop import Guard, GuardSettings
from lockgate.agent.guard.zones import left_over, open_zone
from lockgate.agent.quarantine.store import Quarantine, QuarantineQuota
from lockgate.wire.transfer import Zone


def main() -> None:
    """Guard until SIGTERM."""
    zone_dir, run_dir, state_dir = (Path(a) for a in sys.argv[1:4])
    options = dict(argument.split("=") for argument in sys.argv[4:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    for _ in range(int(options.get("spare", "0"))):
        os.dup(0)
    zones = [open_zone(Zone("test", signing=True), zone_dir, [run_dir, state_dir])]
    usable = features.available()
    link = GroupLink.open(
        run_dir,
        LinkSettings(
            silence_s=float(options.get("silence", "5")),
            grace_s=float(options.get("grace", "5")),
            deadline_s=float(options.get("deadline", "20")),
            deny_errno=usable.deny_errno,
        ),
    )
    zones += left_over(zones, link.pins)
    if options.get("pins") == "no":
        link.pin = lambda _directories: None  # type: ignore[method-assign]  # weakened on purpose
    decider = FakeDecider(
        str(state_dir / "receipts"), independent=options.get("independent", "yes") == "yes"
    )
    quota = QuarantineQuota(max_files=int(options.get("quota", "1000")))
    settings = GuardSettings(
        host="test",
        gate=GateSettings(
            deadline_s=float(options.get("deadline", "20")),
            writer_wait_s=float(options.get("writer_wait", "1")),
            pending_limit=int(options.get("pending", "4096")),
        ),
        own_paths=(run_dir, state_dir),
        features=usable,
    )
    workers = FakeWorkers()
    guard = Guard(zones, workers, decider, settings, link, Quarantine(state_dir, zones, quota))
    signal.signal(signal.SIGTERM, lambda *_: guard.stop())
    guard.arm()
    print("READY", flush=True)
    states = {str(guard.snapshot().state)}

    def watch() -> None:
        while True:
            states.add(str(guard.snapshot().state))
            time.sleep(0.1)

    threading.Thread(target=watch, daemon=True).start()
    guard.run()
    snapshot = guard.snapshot()
    states.add(str(snapshot.state))
    said = {"state": snapshot.state, "counts": snapshot.counts, "path": snapshot.zones}
    (state_dir / "snapshot").write_text(json.dumps(said | {"states": sorted(states)}))


if __name__ == "__main__":
    main()
