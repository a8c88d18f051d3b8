"""What every running agent offers this host: the socket, the metrics, and words for people.

Rules enforced here: what an agent says of itself is built when it is asked, from facts that
others keep; nothing here can hold up the guard.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from lockgate.agent.config import AgentSettings
from lockgate.agent.control import ControlServer, Session, Verb
from lockgate.agent.health import ZoneFacts, judge, worst
from lockgate.agent.health_report import digest_of, health_of, zone_healths
from lockgate.agent.intake.state import state as intake_state
from lockgate.agent.metrics import MetricsServer, Page, Sample, render
from lockgate.agent.uplink.client import ControllerDecider
from lockgate.agent.uplink.orders import Deeds, OrderError
from lockgate.agent.uplink.registry import RegistryFeed
from lockgate.agent.uplink.stream import StreamSettings
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.verdicts.records import report_records
from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.zone_status import zone_samples, zone_status
from lockgate.scan.names import escape_name
from lockgate.wire.agent import AgentHealth, GuardState, Rescan, ZoneHealth
from lockgate.wire.transfer import GuardChange, Zone

Status: TypeAlias = Callable[[], dict[str, Any]]

#: Above this share of its bound the spool counts as nearly full.
_SPOOL_SHARE = 0.9
_log = structlog.get_logger()


def host_of(settings: AgentSettings, decider: AnyDecider) -> str:
    """The name of this host: with a controller the one in the certificate."""
    return decider.host if isinstance(decider, ControllerDecider) else settings.host


def weaknesses(
    settings: AgentSettings, decider: AnyDecider, workers: WorkerPool
) -> tuple[str, ...]:
    """What workers, intake, controller and spool lack now."""
    found = list(workers.weaknesses())
    found += intake_state(settings.run_dir, settings.state_dir).weaknesses()
    if isinstance(decider, ControllerDecider):
        found += decider.weaknesses()
        if decider.status()["spool_bytes"] > _SPOOL_SHARE * settings.controller.spool_bytes:
            found.append("the spool is nearly full; when it is full, new files are held")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one kind of agent says beside what every agent says.

    ``status`` has no states; ``zones`` has one entry for each zone, with its ``state`` and
    ``reasons``; ``verbs`` and ``sessions`` are what the socket answers beside; ``deeds`` what
    it does when its controller tells it to.
    """

    status: Status
    zones: Callable[[], list[dict[str, Any]]]
    samples: Callable[[], Iterable[Sample]]
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    deeds: Deeds = field(default_factory=dict)


def unheld(
    settings: AgentSettings, decider: AnyDecider, workers: WorkerPool, status: Status
) -> Offer:
    """The offer of an agent in a mode that holds no opens."""

    def healths() -> list[ZoneHealth]:
        lacks = weaknesses(settings, decider, workers)
        return [judge(ZoneFacts(z.zone.name, holds=False), lacks, 0.0) for z in settings.zones]

    def zones() -> list[dict[str, Any]]:
        paths = [escape_name(str(zone.path)) for zone in settings.zones]
        return [zone_status(h, path) for h, path in zip(healths(), paths, strict=True)]

    return Offer(status, zones, lambda: zone_samples(healths(), {}, {}))


@contextlib.contextmanager
def services(
    settings: AgentSettings, decider: AnyDecider, workers: WorkerPool, offer: Offer
) -> Iterator[None]:
    """The socket, the metrics, the health and the stream of a running agent."""

    def health() -> AgentHealth:
        return health_of(offer.zones(), weaknesses(settings, decider, workers), digest_of(settings))

    feed = None
    if isinstance(decider, ControllerDecider):
        decider.open_stream(StreamSettings(settings.state_dir, health, offer.deeds))
        feed = _registry_feed(settings, decider, workers, offer)
        feed.start()

    def status() -> dict[str, Any]:
        said = _status(settings, decider, workers, offer)
        return said if feed is None else {**said, "registry": feed.status()}

    def report() -> dict[str, Any]:
        zones = [zone.zone for zone in settings.zones]
        return {"reported": report_records(settings.state_dir, decider, zones)}

    verbs = {"status": status, "report": report, **offer.verbs}
    control = ControlServer(settings.run_dir, verbs, offer.sessions)
    metrics = _metrics(settings, status, offer)
    try:
        yield
    finally:
        control.close()
        if feed is not None:
            feed.close()
        if metrics is not None:
            metrics.close()


def _registry_feed(
    settings: AgentSettings, decider: ControllerDecider, workers: WorkerPool, offer: Offer
) -> RegistryFeed:
    """Where a new registry comes from: workers look for its keys, in files judged before too."""
    rescan = offer.deeds.get(Rescan)

    def use(registry: Path | None) -> None:
        workers.look_for(() if registry is None else (registry,))

    def judge_anew() -> None:
        if rescan is None:
            return
        for zone in settings.zones:
            with contextlib.suppress(OrderError):
                rescan(Rescan(zone.zone))

    kept = settings.state_dir / "registry.toml"
    return RegistryFeed(decider.connection.channel, kept, use, judge_anew)


def _status(
    settings: AgentSettings, decider: AnyDecider, workers: WorkerPool, offer: Offer
) -> dict[str, Any]:
    zones = offer.zones()
    said = offer.status() | {
        "pid": os.getpid(),
        "host": host_of(settings, decider),
        "zones": zones,
        "state": _worst_of(zones).value,
        "reasons": list(dict.fromkeys(reason for zone in zones for reason in zone["reasons"])),
        "workers": {"pids": workers.process_ids(), "waiting": workers.waiting()},
    }
    if isinstance(decider, ControllerDecider):
        said["controller"] = decider.status()
    return said


def _worst_of(zones: Sequence[Mapping[str, Any]]) -> GuardState:
    return worst(zone_healths(zones))


def _metrics(settings: AgentSettings, status: Status, offer: Offer) -> MetricsServer | None:
    if not settings.metrics_listen:
        return None

    def metrics() -> Page:
        return Page(200, render([*_samples(status()), *offer.samples()]))

    pages = {
        "/metrics": metrics,
        "/healthz": lambda: Page(200, "the agent runs\n"),
        "/readyz": lambda: _readiness(offer.zones()),
    }
    try:
        return MetricsServer(settings.metrics_listen, pages)
    except OSError:
        _log.warning("metrics port is taken", listen=settings.metrics_listen)
        return None


def _readiness(zones: Sequence[Mapping[str, Any]]) -> Page:
    """503 while a zone is blind, or was never shown to be guarded."""
    unshown = [z for z in zones if z["state"] == GuardState.BLIND.value or not z.get("last_proof")]
    lines = [": ".join((z["name"], z["state"], *z["reasons"])) for z in zones]
    return Page(503 if unshown else 200, "".join(f"{line}\n" for line in lines))


def _samples(status: Mapping[str, Any]) -> Iterable[Sample]:
    yield Sample("lockgate_opens_pending", status.get("pending", 0))
    yield Sample("lockgate_scans_waiting", status["workers"]["waiting"])
    yield Sample("lockgate_scan_workers", len(status["workers"]["pids"]))
    yield Sample("lockgate_guard_enforcing", float(status["state"] == "enforcing"))
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
    ready()


def ready() -> None:
    """Say READY to whoever started this agent."""
    sys.stdout.write("READY\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"lockgate agent: {text}\n")
    sys.stderr.flush()
