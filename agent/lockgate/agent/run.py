"""Putting an agent together from its settings, and running it until it is told to end.

Rules enforced here:

1. Nothing is armed before workers and decider stand; ``READY`` is said after the mark is set.
2. SIGTERM ends this process and leaves the holder: opens wait for the next agent. SIGINT at a
   terminal takes the guard off in order, which is recorded.
3. What happened while no agent ran is reported before anything is armed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import structlog

from lockgate.agent.config import AgentSettings, Mode
from lockgate.agent.control import ControlServer
from lockgate.agent.metrics import MetricsServer, Sample
from lockgate.agent.uplink.client import ControllerDecider
from lockgate.agent.verdicts.deciders import AnyDecider, decider_of
from lockgate.agent.verdicts.records import keep_armed, report_records
from lockgate.agent.workers.pool import WorkerPool, WorkerSettings
from lockgate.cli.hardening import forbid_core_dumps
from lockgate.wire.transfer import GuardChange, Zone

Status: TypeAlias = Callable[[], dict[str, Any]]

_log = structlog.get_logger()


def pool_of(settings: AgentSettings) -> WorkerPool:
    """The scan workers."""
    scan = settings.scan
    return WorkerPool(
        WorkerSettings(
            count=scan.workers,
            private_bytes=scan.memory_bytes,
            profile=scan.profile.value,
            registry=tuple(path.resolve(strict=True) for path in scan.registry_files),
        )
    )


def run(settings: AgentSettings, *, local: bool) -> None:
    """Run one agent in the mode of its zones.

    Raises:
        ZoneError, CredentialsError, PolicyError, HolderBusyError, OSError: it cannot start;
            the text is for the operator.
    """
    forbid_core_dumps()
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    decider = decider_of(settings, local=local)
    workers = pool_of(settings)
    try:
        if settings.zones[0].mode is Mode.ENFORCE:
            _run_guard(settings, decider, workers)
        else:
            _run_watch(settings, decider, workers)
    finally:
        workers.close()
        decider.close()


def _run_guard(settings: AgentSettings, decider: AnyDecider, workers: WorkerPool) -> None:
    from lockgate.agent.guard.gate import GateSettings
    from lockgate.agent.guard.group import GroupLink
    from lockgate.agent.guard.loop import Guard, GuardSettings
    from lockgate.agent.guard.zones import open_zone
    from lockgate.agent.quarantine.store import Quarantine, QuarantineQuota

    _raise_descriptor_limit(2 * settings.pending_limit + 1024)
    own = [settings.state_dir, settings.run_dir]
    zones = [open_zone(z.zone, z.path, own) for z in settings.zones]
    quota = QuarantineQuota(settings.quarantine.max_bytes, settings.quarantine.max_files)
    quarantine = Quarantine(settings.state_dir, zones, quota)
    gate = GateSettings(
        deadline_s=settings.open_deadline_seconds, pending_limit=settings.pending_limit
    )
    guard_settings = GuardSettings(
        host=_host_of(settings, decider), gate=gate, scan_timeout_s=settings.scan.timeout_seconds
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
        program = [sys.executable, "-c", "from lockgate.agent.cli import app; app()", "disarm"]
        program += ["--run-dir", str(settings.run_dir), "--state-dir", str(settings.state_dir)]
        subprocess.Popen(program, stdin=subprocess.DEVNULL, start_new_session=True)

    names = [zone.zone for zone in zones]
    report_records(settings.state_dir, decider, names)
    signal.signal(signal.SIGTERM, lambda *_: guard.stop())
    signal.signal(signal.SIGINT, take_off)
    with _services(settings, decider, workers, status):
        guard.arm()
        keep_armed(settings, decider, names)
        _announce(decider, names, GuardChange.ARMED, "agent started")
        guard.run()
    if guard.disarmed:
        _say("the guard is off: opens pass freely")
    else:
        link.close()
        _say("the agent ended; its holder keeps refusing opens until an agent starts again.")
        _say("To let opens through without an agent: lockgate agent disarm")


def _run_watch(settings: AgentSettings, decider: AnyDecider, workers: WorkerPool) -> None:
    from lockgate.agent.watch.watch import Watch, WatchSettings

    watch_settings = WatchSettings(_host_of(settings, decider), settings.scan.timeout_seconds)
    watch = Watch(settings.zones, workers, decider, watch_settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.stop())
    zones = [z.zone for z in settings.zones]
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # a writer that meets a lease of ours sends it
    report_records(settings.state_dir, decider, zones)
    with _services(settings, decider, workers, watch.status):
        watch.start()
        mode = settings.zones[0].mode
        if mode is Mode.MONITOR:
            _say("monitor mode: files are scanned and reported; it CANNOT block a read, and it")
            _say("may miss files (mappings, links, storms of events).")
        watching = f"{mode.value} mode: opens are not held"
        _announce(decider, zones, GuardChange.BLIND, watching)
        watch.run()


def _host_of(settings: AgentSettings, decider: AnyDecider) -> str:
    """The name of this host: with a controller the one in the certificate."""
    return decider.host if isinstance(decider, ControllerDecider) else settings.host


@contextlib.contextmanager
def _services(
    settings: AgentSettings, decider: AnyDecider, workers: WorkerPool, status: Status
) -> Iterator[None]:
    """The socket and the metrics of a running agent."""

    def whole() -> dict[str, Any]:
        said = status()
        said["workers"] = {"pids": workers.process_ids(), "waiting": workers.waiting()}
        weak = list(workers.weaknesses())
        if isinstance(decider, ControllerDecider):
            said["controller"] = decider.status()
            weak += decider.weaknesses()
        if weak and said["state"] == "enforcing":
            said["state"] = "degraded"
        said["reasons"] = [*said["reasons"], *weak]
        return said | {"pid": os.getpid(), "host": _host_of(settings, decider)}

    def report() -> dict[str, Any]:
        zones = [zone.zone for zone in settings.zones]
        return {"reported": report_records(settings.state_dir, decider, zones)}

    control = ControlServer(settings.run_dir, {"status": whole, "report": report})
    metrics = _metrics(settings, whole)
    try:
        yield
    finally:
        control.close()
        if metrics is not None:
            metrics.close()


def _metrics(settings: AgentSettings, status: Status) -> MetricsServer | None:
    if not settings.metrics_listen:
        return None
    try:
        return MetricsServer(settings.metrics_listen, lambda: _samples(status()))
    except OSError:
        _log.warning("metrics port is taken", listen=settings.metrics_listen)
        return None


def _samples(status: dict[str, Any]) -> Iterable[Sample]:
    yield Sample("lockgate_opens_pending", status.get("pending", 0))
    yield Sample("lockgate_scans_waiting", status["workers"]["waiting"])
    yield Sample("lockgate_scan_workers", len(status["workers"]["pids"]))
    yield Sample("lockgate_guard_enforcing", float(status.get("state") == "enforcing"))
    for name, count in status.get("counts", {}).items():
        yield Sample("lockgate_opens_total", count, (("enforcement", name),))
    controller = status.get("controller")
    if controller:
        yield Sample("lockgate_controller_reached", float(controller["reached"]))
        yield Sample("lockgate_spool_records", controller["waiting"])
        yield Sample("lockgate_spool_bytes", controller["spool_bytes"])
        yield Sample("lockgate_spool_torn_bytes_total", controller["spool_torn_bytes"])
        yield Sample("lockgate_spool_damaged_bytes_total", controller["spool_damaged_bytes"])
        yield Sample("lockgate_spool_dropped_records_total", controller.get("dropped", 0))


def _announce(decider: AnyDecider, zones: Sequence[Zone], change: GuardChange, detail: str) -> None:
    """Report a change of every zone's guard, and say READY."""
    for zone in zones:
        decider.guard_changed(zone, change, detail)
    sys.stdout.write("READY\n")
    sys.stdout.flush()


def _raise_descriptor_limit(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(wanted, 8192)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _say(text: str) -> None:
    sys.stderr.write(f"lockgate agent: {text}\n")
    sys.stderr.flush()
