"""Running an agent that holds opens.

Rules enforced here:

1. Nothing is armed before workers and decider stand. ``READY`` is said after the marks are set
   and canaries were refused in every zone because their keys were found.
2. Without that proof the guard stays on, since opens are better held than let go; it says why
   it is not ready, and goes on trying.
3. SIGTERM ends this process and leaves the holder: opens wait for the next agent. SIGINT at a
   terminal takes the guard off in order, which is recorded.
4. What happened while no agent ran is reported before anything is armed.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lockgate.agent.canary.keys import CanaryKeys
from lockgate.agent.canary.rounds import Rounds
from lockgate.agent.canary.witness import Witness
from lockgate.agent.config import AgentSettings, Guarding
from lockgate.agent.deeds import GuardDeeds
from lockgate.agent.guard import features as kernel
from lockgate.agent.guard import systemd
from lockgate.agent.guard.features import Features
from lockgate.agent.guard.gate import GateSettings
from lockgate.agent.guard.group import GroupLink, LinkSettings
from lockgate.agent.guard.loop import Guard, GuardSettings
from lockgate.agent.guard.opens import ZonesByDevice
from lockgate.agent.guard.readers import AllowedReaders
from lockgate.agent.guard.zones import GuardedZone, left_over, open_zones, own_paths
from lockgate.agent.quarantine.store import Quarantine, QuarantineQuota
from lockgate.agent.release.copies import Copies, CopyQuota
from lockgate.agent.release.desk import Desk
from lockgate.agent.services import Offer, host_of, ready, say, services, weaknesses
from lockgate.agent.verdicts.asking import Asking
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.verdicts.records import keep_armed, report_records
from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.zone_states import ZoneStates
from lockgate.agent.zone_status import census_by_process, zone_samples, zone_status
from lockgate.scan.names import escape_name


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What stands before a guard is made, and is closed after it."""

    decider: AnyDecider
    workers: WorkerPool
    canaries: CanaryKeys


def run_guard(settings: AgentSettings, neighbours: Neighbours) -> None:
    """Hold the opens of the zones until told to end."""
    _raise_descriptor_limit(2 * settings.pending_limit + 1024)
    usable = kernel.available(settings.kernel_without)
    zones = open_zones(settings)
    link = _link(settings, usable)
    guarded = (*zones, *left_over(zones, link.pins))
    link.pin([zone.directory for zone in guarded])
    quota = QuarantineQuota(settings.quarantine.max_bytes, settings.quarantine.max_files)
    quarantine = Quarantine(settings.state_dir, guarded, quota)
    quarantine.settle()
    witness = Witness(neighbours.decider, neighbours.canaries.fingerprints.values())
    host = host_of(settings, neighbours.decider)
    readers = _readers(settings, guarded)
    desk = _desk(settings, neighbours, guarded, host)
    guard = Guard(
        guarded,
        neighbours.workers,
        witness,
        _guard_settings(settings, host, usable),
        link,
        quarantine,
        readers,
        desk,
    )
    names = [zone.zone for zone in zones]
    report_records(settings.state_dir, neighbours.decider, names)
    signal.signal(signal.SIGTERM, lambda *_: guard.stop())
    signal.signal(signal.SIGINT, lambda *_: _take_off(settings))
    proofs = _Proofs(settings, neighbours, zones, guard, witness, quarantine)
    deeds = GuardDeeds(settings, guarded, guard, neighbours.decider).all()
    offer = replace(proofs.offer(), sessions={"release": desk.serve}, deeds=deeds)
    with services(settings, neighbours.decider, neighbours.workers, offer):
        guard.arm()
        keep_armed(settings, neighbours.decider, names)
        with proofs.running():
            guard.run()
    if guard.disarmed:
        say("the guard is off: opens pass freely")
    else:
        link.close()
        say("the agent ended; its holder keeps refusing opens until an agent starts again.")
        say("To let opens through without an agent: lockgate agent disarm")


class _Proofs:
    """What shows that the guard holds: rounds of canaries, and the states made of them."""

    def __init__(
        self,
        settings: AgentSettings,
        neighbours: Neighbours,
        zones: Sequence[GuardedZone],
        guard: Guard,
        witness: Witness,
        quarantine: Quarantine,
    ) -> None:
        self._zones = tuple(zones)
        self._guard = guard
        self._lacks = _all_weaknesses(settings, neighbours, guard, quarantine)
        self._rounds = Rounds(
            neighbours.canaries,
            zones,
            witness.seen,
            interval_s=settings.canary.interval_seconds,
            deadline_s=settings.open_deadline_seconds,
            after=self._say_readiness,
        )
        self._states = ZoneStates(
            zones,
            self._rounds,
            self._facts,
            neighbours.decider.guard_changed,
            interval_s=settings.canary.interval_seconds,
        )
        self._is_ready = False
        self._said: tuple[str, ...] = ()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Try canaries and tell states while the guard runs."""
        self._rounds.start()
        self._states.start()
        try:
            yield
        finally:
            self._states.close()
            self._rounds.close()

    def offer(self) -> Offer:
        """What the agent says of its zones."""
        return Offer(
            status=self._status,
            zones=self._zone_status,
            samples=lambda: zone_samples(self._states.now(), self._tried(), self._rounds.counts),
            verbs={"census": self._census, "progress": self._progress},
        )

    def _facts(self) -> tuple[Collection[str], Sequence[str]]:
        return self._guard.snapshot().unmarked, self._lacks()

    def _tried(self) -> dict[str, Any]:
        return {zone.zone.name: self._rounds.tried(zone.zone.name) for zone in self._zones}

    def _status(self) -> dict[str, Any]:
        seen = self._guard.snapshot()
        return {
            "mode": "enforce",
            "pending": seen.pending,
            "backlog": seen.backlog,
            "walks": seen.walks,
            "counts": seen.counts,
            "older_than_mark": len(seen.older_than_mark),
        }

    def _zone_status(self) -> list[dict[str, Any]]:
        states = zip(self._states.now(), self._zones, strict=True)
        return [
            zone_status(health, escape_name(zone.path), self._rounds.tried(health.zone))
            for health, zone in states
        ]

    def _census(self) -> dict[str, Any]:
        return {"processes": census_by_process(self._guard.snapshot().older_than_mark)}

    def _progress(self, device: int, inode: int, size: int) -> dict[str, Any]:
        progress = self._guard.scan_progress((device, inode), size)
        return {"progress": asdict(progress) if progress else None}

    def _say_readiness(self) -> None:
        """After each round: READY once every zone has its proof, else why there is none."""
        if self._is_ready:
            return
        states = self._states.now()
        if all(one.proof_at is not None for one in self._tried().values()):
            self._is_ready = True
            systemd.notify("READY=1")
            ready()
            return
        reasons = tuple(f"zone {z.zone}: {reason}" for z in states for reason in z.reasons)
        if reasons != self._said:
            self._said = reasons
            say("opens are held, but the guard is not ready until canaries prove it:")
            for reason in reasons:
                say(f"  {reason}")


def _all_weaknesses(
    settings: AgentSettings, neighbours: Neighbours, guard: Guard, quarantine: Quarantine
) -> Callable[[], tuple[str, ...]]:
    def now() -> tuple[str, ...]:
        return (
            *guard.snapshot().weaknesses,
            *weaknesses(settings, neighbours.decider, neighbours.workers),
            *quarantine.weaknesses(),
        )

    return now


def _readers(settings: AgentSettings, zones: Sequence[GuardedZone]) -> AllowedReaders | None:
    """The readers that the settings name, if they name any."""
    entries = {zone.zone.name: zone.readers for zone in settings.zones if zone.readers}
    return AllowedReaders(entries, {zone.device for zone in zones}) if entries else None


def _desk(
    settings: AgentSettings, neighbours: Neighbours, zones: Sequence[GuardedZone], host: str
) -> Desk:
    return Desk(
        Asking(neighbours.workers, neighbours.decider, settings.scan.timeout_seconds),
        Copies(settings.state_dir / "release", CopyQuota()),
        host,
        ZonesByDevice({zone.device: zone.zone for zone in zones}).__getitem__,
    )


def _link(settings: AgentSettings, usable: Features) -> GroupLink:
    times = LinkSettings(deadline_s=settings.open_deadline_seconds, deny_errno=usable.deny_errno)
    return GroupLink.open(settings.run_dir, times)


def _guard_settings(settings: AgentSettings, host: str, usable: Features) -> GuardSettings:
    return GuardSettings(
        host=host,
        gate=GateSettings(
            deadline_s=settings.open_deadline_seconds, pending_limit=settings.pending_limit
        ),
        scan_timeout_s=settings.scan.timeout_seconds,
        strict=frozenset(
            zone.zone.name for zone in settings.zones if zone.guarding is Guarding.STRICT
        ),
        idle_s=settings.idle_seconds,
        own_paths=tuple(own_paths(settings)),
        features=usable,
    )


def _take_off(settings: AgentSettings) -> None:
    """Disarm by a process of its own: the holder ends this one before it answers."""
    program = [sys.executable, "-c", "from lockgate.agent.cli.app import app; app()", "disarm"]
    program += ["--run-dir", str(settings.run_dir), "--state-dir", str(settings.state_dir)]
    subprocess.Popen(program, stdin=subprocess.DEVNULL, start_new_session=True)


def _raise_descriptor_limit(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(wanted, 8192)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
