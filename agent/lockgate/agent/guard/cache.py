"""What is already known of a file's bytes.

Rules enforced here:

1. A report is kept for an identity (device, inode, size, times); any change voids it. A new
   writer voids it as well, whatever the clock's grain: see :meth:`VerdictCache.forget`.
2. A decision is kept only when it does not depend on the opener, and only for the policy
   that made it; an ALLOW ends at ``cache_until``.
3. Both are bounded: the file that was asked for longest ago is forgotten first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from lockgate.scan.report import Report
from lockgate.wire.transfer import Boundary, Decision, FileIdentity, HoldReason, Verdict

Inode = tuple[int, int]

#: Reasons that belong to the file and the policy. The others belong to a moment.
_LASTING_HOLDS = frozenset({HoldReason.POLICY, HoldReason.GAP, HoldReason.NO_RULE})


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision, and the transfer it was made on: further attempts are reported beside it."""

    decision: Decision
    transfer_id: str = ""


@dataclass(slots=True)
class _Entry:
    identity: FileIdentity
    report: Report
    decisions: dict[Boundary, KeptDecision]


class VerdictCache:
    """Reports and decisions by file, least recently used first out."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._entries: OrderedDict[Inode, _Entry] = OrderedDict()
        self._capacity = capacity
        self._passes: dict[Inode, tuple[int, int, int, float]] = {}
        self._rule_pack = ""
        self._policy_digest = ""

    def __len__(self) -> int:
        return len(self._entries)

    def report(self, identity: FileIdentity) -> Report | None:
        """The report of exactly these bytes, if it is known."""
        entry = self._entry(identity)
        return entry.report if entry else None

    def decision(
        self, identity: FileIdentity, now: datetime, boundary: Boundary = Boundary.OPEN
    ) -> KeptDecision | None:
        """The decision on exactly these bytes that still holds at ``now``."""
        entry = self._entry(identity)
        kept = entry.decisions.get(boundary) if entry else None
        return kept if kept and _holds(kept.decision, now) else None

    def passes(self, status: os.stat_result, now_s: float) -> bool:
        """The short way to an ALLOW over ``open``: same file, same bytes, not expired.

        ``now_s`` is in seconds since the epoch. Nothing is built and nothing reordered here.
        """
        known = self._passes.get((status.st_dev, status.st_ino))
        return (
            known is not None
            and known[0] == status.st_size
            and known[1] == status.st_mtime_ns
            and known[2] == status.st_ctime_ns
            and now_s < known[3]
        )

    def store_report(self, identity: FileIdentity, report: Report) -> None:
        """Keep a report taken under a lease of bytes that did not change during the scan."""
        if report.engine.rule_pack != self._rule_pack:
            self._entries.clear()
            self._passes.clear()
            self._rule_pack = report.engine.rule_pack
        inode = (identity.device, identity.inode)
        self.forget(inode)
        self._entries[inode] = _Entry(identity, report, {})
        if len(self._entries) > self._capacity:
            self.forget(next(iter(self._entries)))

    def store_decision(
        self,
        identity: FileIdentity,
        decision: Decision,
        boundary: Boundary = Boundary.OPEN,
        *,
        transfer_id: str = "",
    ) -> None:
        """Keep a decision beside the report it was made on, if it may be kept."""
        # Without a digest no policy spoke: a HOLD of ours, which says nothing of other files.
        if decision.policy_digest and decision.policy_digest != self._policy_digest:
            self.forget_decisions()
            self._policy_digest = decision.policy_digest
        entry = self._entry(identity)
        if entry and _lasts(decision):
            entry.decisions[boundary] = KeptDecision(decision, transfer_id)
            self._note_pass(identity, decision, boundary)

    def forget(self, inode: Inode) -> None:
        """Somebody may write the file from now on: nothing is known of it any more."""
        self._entries.pop(inode, None)
        self._passes.pop(inode, None)

    def forget_decisions(self) -> None:
        """The policy changed, or an operator decided: everything is asked again."""
        self._passes.clear()
        for entry in self._entries.values():
            entry.decisions.clear()

    def _note_pass(self, identity: FileIdentity, decision: Decision, boundary: Boundary) -> None:
        until = decision.cache_until
        inode = (identity.device, identity.inode)
        self._passes.pop(inode, None)
        if boundary is Boundary.OPEN and decision.verdict is Verdict.ALLOW and until is not None:
            times = (identity.mtime_ns, identity.ctime_ns)
            self._passes[inode] = (identity.size, *times, until.timestamp())

    def _entry(self, identity: FileIdentity) -> _Entry | None:
        inode = (identity.device, identity.inode)
        entry = self._entries.get(inode)
        if entry is None or entry.identity != identity:
            return None
        self._entries.move_to_end(inode)
        return entry


def _lasts(decision: Decision) -> bool:
    if not decision.opener_independent:
        return False
    if decision.verdict is Verdict.HOLD:
        return decision.hold_reason in _LASTING_HOLDS
    return decision.verdict is not Verdict.ALLOW or decision.cache_until is not None


def _holds(decision: Decision, now: datetime) -> bool:
    if decision.verdict is Verdict.ALLOW:
        return decision.cache_until is not None and now < decision.cache_until
    return decision.verdict is not Verdict.HOLD or (
        decision.wait_until is None or now < decision.wait_until
    )
