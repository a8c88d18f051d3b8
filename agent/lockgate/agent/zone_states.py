"""The states of an agent's zones, judged every second and told when they change.

Rules enforced here:

1. Nothing is told before the first round of canaries has ended, or a bounded time has gone by:
   a start is no fault.
2. Judging waits for nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

import structlog

from lockgate.agent.canary.rounds import Rounds
from lockgate.agent.guard.zones import GuardedZone, is_elsewhere
from lockgate.agent.health import Changes, ZoneFacts, judge
from lockgate.wire.agent import ZoneHealth
from lockgate.wire.convert.values import SENTENCE_TEXT
from lockgate.wire.transfer import GuardChange, Zone

#: Seconds that the first round may take before the states are told without it.
START_S = 15.0
_EVERY_S = 1.0
_log = structlog.get_logger()

#: Names of zones without a mark, and what the parts that all zones share lack.
Facts = Callable[[], tuple[Collection[str], Sequence[str]]]
Tell = Callable[[Zone, GuardChange, str], None]


class ZoneStates:
    """Judges the zones in a thread of its own; anybody may ask for the states."""

    def __init__(
        self,
        zones: Sequence[GuardedZone],
        rounds: Rounds,
        facts: Facts,
        tell: Tell,
        *,
        interval_s: float,
    ) -> None:
        self._zones = tuple(zones)
        self._rounds = rounds
        self._facts = facts
        self._tell = tell
        self._interval_s = interval_s
        self._armed_at = time.monotonic()
        self._changes = Changes()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zone-states", daemon=True)

    def start(self) -> None:
        """Begin to judge; the guard was put on just now."""
        self._armed_at = time.monotonic()
        self._thread.start()

    def close(self) -> None:
        """Stop telling."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def now(self) -> tuple[ZoneHealth, ...]:
        """The health of every zone, in the order of the settings."""
        unmarked, weaknesses = self._facts()
        return tuple(
            judge(self._facts_of(zone, unmarked), weaknesses, self._interval_s)
            for zone in self._zones
        )

    def _facts_of(self, zone: GuardedZone, unmarked: Collection[str]) -> ZoneFacts:
        tried = self._rounds.tried(zone.zone.name)
        since = self._armed_at if tried.proof_at is None else tried.proof_at
        return ZoneFacts(
            zone=zone.zone.name,
            marked=zone.zone.name not in unmarked,
            moved=is_elsewhere(zone),
            leaks=tried.leaks,
            doubts=tried.last.doubts if tried.last is not None else (),
            proved=tried.proof_at is not None,
            without_proof_s=time.monotonic() - since,
        )

    def _run(self) -> None:
        while not self._ending.wait(_EVERY_S):
            if self._has_begun():
                for zone, health in zip(self._zones, self.now(), strict=True):
                    self._observe(zone.zone, health)

    def _has_begun(self) -> bool:
        tried = all(self._rounds.tried(zone.zone.name).last for zone in self._zones)
        return tried or time.monotonic() > self._armed_at + START_S

    def _observe(self, zone: Zone, health: ZoneHealth) -> None:
        change = self._changes.observe(health)
        if change is not None:
            reasons = "; ".join(health.reasons) or "canaries are refused"
            self._tell(zone, change, reasons[:SENTENCE_TEXT])
            _log.info("zone state", zone=zone.name, state=health.state.value)
