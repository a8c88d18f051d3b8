"""What an agent that holds no opens does when its controller tells it to.

Rules enforced here:

1. A command lets nothing through: what is looked at again is judged and asked about again. A held
   file of an outbox that people have released goes back into the outbox and comes by itself.
2. Such an agent has no quarantine: it moves no file that somebody may be reading, and puts none
   back. Those commands it has not.
3. Watching has one thread; it is told what to do there, at its next turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lockgate.agent.uplink.orders import Deeds, OrderError
from lockgate.agent.watch.outbox import Outbox
from lockgate.agent.watch.watch import WatchedZone
from lockgate.scan.names import escape_name
from lockgate.wire.agent import ForgetDecisions, Release, Rescan


@dataclass(frozen=True, slots=True)
class WatchDeeds:
    """The deeds of one watch. ``zones`` by name; ``at_next_turn`` takes work for its thread."""

    zones: Mapping[str, WatchedZone]
    at_next_turn: Callable[[Callable[[], None]], None]

    def all(self) -> Deeds:
        """Every action that this watch can be told."""
        deeds: Deeds = {Rescan: self._rescan, ForgetDecisions: self._forget_decisions}
        return {**deeds, Release: self._release} if self._outboxes() else deeds

    def _rescan(self, action: Rescan) -> str:
        zone = self.zones.get(action.zone.name)
        if zone is None:
            raise OrderError("this agent watches no zone of that name")
        self.at_next_turn(zone.look_again)
        return zone.AGAIN

    def _forget_decisions(self, _action: ForgetDecisions) -> str:
        for zone in self.zones.values():
            self.at_next_turn(zone.look_again)
        return "every file is asked about again"

    def _release(self, action: Release) -> str:
        for outbox in self._outboxes():
            path = outbox.give_back(action.transfer_id, action.sha256)
            if path is not None:
                return f"judged again: {escape_name(str(path))}"
        raise OrderError("no held file of this transfer is here any more")

    def _outboxes(self) -> Sequence[Outbox]:
        return [zone for zone in self.zones.values() if isinstance(zone, Outbox)]
