"""What every running agent offers this host: the socket, the metrics, and words for people.

Rules enforced here: what an agent says of itself is built when it is asked, from facts that
others keep; nothing here can hold up the guard.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import structlog

from lockgate.agent.config import AgentSettings
from lockgate.agent.control import ControlServer
from lockgate.agent.metrics import MetricsServer, Sample
from lockgate.agent.uplink.client import ControllerDecider
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.verdicts.records import report_records
from lockgate.agent.workers.pool import WorkerPool
from lockgate.wire.transfer import GuardChange, Zone

Status: TypeAlias = Callable[[], dict[str, Any]]

_log = structlog.get_logger()


def host_of(settings: AgentSettings, decider: AnyDecider) -> str:
    """The name of this host: with a controller the one in the certificate."""
    return decider.host if isinstance(decider, ControllerDecider) else settings.host


@contextlib.contextmanager
def services(
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
        return said | {"pid": os.getpid(), "host": host_of(settings, decider)}

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


def announce(decider: AnyDecider, zones: Sequence[Zone], change: GuardChange, detail: str) -> None:
    """Report a change of every zone's guard, and say READY."""
    for zone in zones:
        decider.guard_changed(zone, change, detail)
    sys.stdout.write("READY\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"lockgate agent: {text}\n")
    sys.stderr.flush()
