"""What an agent that holds opens does when its controller tells it to.

Rules enforced here:

1. A command lets nothing through: it forgets what is known of files, so that they are judged and
   asked about again, or moves a file to where it is judged at its next open.
2. A file is moved into quarantine only while it is the very one that was reported: named by its
   path, compared by its identity, without being opened for reading.
3. What is moved is recorded like every other quarantine and restore.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lockgate.agent.config import AgentSettings
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.guard.loop import Guard
from lockgate.agent.guard.opener import read_opener
from lockgate.agent.guard.zones import GuardedZone, ZoneError
from lockgate.agent.quarantine import restoring
from lockgate.agent.quarantine.store import Quarantine, QuarantineError, QuarantineQuota
from lockgate.agent.uplink.orders import Deeds, OrderError
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.wire.agent import ForgetDecisions, QuarantineFile, Release, Rescan, Restore
from lockgate.wire.transfer import Enforcement, Receipt, Verdict, Zone

_NO_ZONE = "this agent guards no zone of that name"


@dataclass(frozen=True, slots=True)
class GuardDeeds:
    """The deeds of one guard."""

    settings: AgentSettings
    zones: Sequence[GuardedZone]
    guard: Guard
    decider: AnyDecider

    def all(self) -> Deeds:
        """Every action that a guard can be told."""
        return {
            Release: self._release,
            QuarantineFile: self._quarantine,
            Restore: self._restore,
            Rescan: self._rescan,
            ForgetDecisions: self._forget_decisions,
        }

    def _release(self, action: Release) -> str:
        self.guard.forget_decision_of(action.transfer_id, action.sha256)
        return "asked again at the next open"

    def _forget_decisions(self, _action: ForgetDecisions) -> str:
        self.guard.forget_decisions()
        return "every file is asked about again"

    def _rescan(self, action: Rescan) -> str:
        self.guard.rescan(self._zone(action.zone).device)
        return "scanned at the next open, or when there is time"

    def _restore(self, action: Restore) -> str:
        paths = [z.path for z in self.settings.zones if z.zone.name == action.zone.name]
        if not paths:
            raise OrderError(_NO_ZONE)
        folders = (self.settings.state_dir, self.settings.run_dir)
        try:
            receipt = restoring.restore(*folders, paths[0], action.quarantine_id, None)
        except (ZoneError, QuarantineError) as error:
            raise OrderError(str(error)) from None
        return f"put back: {receipt.path}"

    def _quarantine(self, action: QuarantineFile) -> str:
        zone = self._zone(action.zone)
        bounds = self.settings.quarantine
        quota = QuarantineQuota(bounds.max_bytes, bounds.max_files)
        fd = os.open(action.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if identity_of(os.fstat(fd)) != action.identity:
                raise OrderError("the file is not the one that was reported any more")
            receipt = Quarantine(self.settings.state_dir, [zone], quota).enforce(
                fd, _receipt_of(action), None
            )
        finally:
            os.close(fd)
        self.decider.record(receipt)
        if receipt.enforcement is not Enforcement.QUARANTINED:
            raise OrderError(receipt.detail)
        return f"moved into quarantine as {receipt.quarantine_id}"

    def _zone(self, zone: Zone) -> GuardedZone:
        for guarded in self.zones:
            if guarded.zone.name == zone.name:
                return guarded
        raise OrderError(_NO_ZONE)


def _receipt_of(action: QuarantineFile) -> Receipt:
    return Receipt(
        transfer_id=action.transfer_id,
        verdict=Verdict.QUARANTINE,
        enforcement=Enforcement.DENIED,
        hold_reason=None,
        errno_value=0,
        enforce_time=datetime.now(UTC),
        path=action.path,
        opener=read_opener(os.getpid()),
        detail="told by the controller",
    )
