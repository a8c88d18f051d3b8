"""What is already known of a file's bytes.

Rules enforced here:

1. A report is kept for an identity (device, inode, size, times); any change voids it. A new
   writer voids it as well, whatever the clock's grain: see :meth:`VerdictCache.forget`.
2. A decision is kept only when it does not depend on the opener, and only for the policy
   that made it. Policies and rules belong to a zone, so another one voids what is known of
   files on the same device.
3. Its end is told in seconds of a clock that nobody can set, so that a jump of the wall clock
   makes no ALLOW last longer.
4. It is bounded: the file that was asked for longest ago is forgotten first.
5. Nothing is kept of a file that changed so lately that another change could go unseen, where
   the filesystem's times are coarse.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from lockgate.scan.report import EngineInfo, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict

Inode = tuple[int, int]

#: Reasons that belong to the file and the policy. The others belong to a moment.
_LASTING_HOLDS = frozenset({HoldReason.POLICY, HoldReason.GAP, HoldReason.NO_RULE})


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision, and the transfer it was made on: further attempts are reported beside it.

    ``until``: when it ends, by the caller's clock; None: with the file or the policy.
    """

    decision: Decision
    transfer_id: str = ""
    until: float | None = None

    def holds(self, now: float) -> bool:
        """Whether it has not ended."""
        return self.until is None or now < self.until


@dataclass(slots=True)
class _Entry:
    identity: FileIdentity
    report: Report
    kept: KeptDecision | None = None

    def is_of(self, transfer_id: str, sha256: str) -> bool:
        decided = self.kept is not None and self.kept.transfer_id == transfer_id
        return decided or (bool(sha256) and self.report.sha256 == sha256)


class VerdictCache:
    """Reports and decisions by file, least recently used first out."""

    def __init__(
        self, capacity: int = 100_000, settled: Callable[[int], bool] = lambda _ctime_ns: True
    ) -> None:
        self._entries: OrderedDict[Inode, _Entry] = OrderedDict()
        self._capacity = capacity
        self._settled = settled
        self._passes: dict[Inode, tuple[int, int, int, float]] = {}
        self._engines: dict[EngineInfo, EngineInfo] = {}
        self._rule_packs: dict[int, str] = {}
        self._policies: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def report(self, identity: FileIdentity) -> Report | None:
        """The report of exactly these bytes, if it is known."""
        entry = self._entry(identity)
        return entry.report if entry else None

    def decision(self, identity: FileIdentity, now: float) -> KeptDecision | None:
        """The decision on exactly these bytes that still holds at ``now``."""
        entry = self._entry(identity)
        kept = entry.kept if entry else None
        return kept if kept and kept.holds(now) else None

    def passes(self, inode: Inode, status: os.stat_result, now: float) -> bool:
        """The short way to an ALLOW: same file, same bytes, not expired.

        Nothing is built and nothing reordered here.
        """
        known = self._passes.get(inode)
        return (
            known is not None
            and known[0] == status.st_size
            and known[1] == status.st_mtime_ns
            and known[2] == status.st_ctime_ns
            and now < known[3]
        )

    def store_report(self, identity: FileIdentity, report: Report) -> None:
        """Keep a report taken under a lease of bytes that did not change during the scan."""
        known = self._rule_packs.setdefault(identity.device, report.engine.rule_pack)
        if known != report.engine.rule_pack:
            self._rule_packs[identity.device] = report.engine.rule_pack
            self.forget_files(identity.device)
        inode = (identity.device, identity.inode)
        self.forget(inode)
        if not self._settled(identity.ctime_ns):
            return
        engine = self._engines.setdefault(report.engine, report.engine)
        self._entries[inode] = _Entry(identity, replace(report, engine=engine))
        if len(self._entries) > self._capacity:
            self.forget(next(iter(self._entries)))

    def store_decision(self, identity: FileIdentity, kept: KeptDecision) -> None:
        """Keep a decision beside the report it was made on, if it may be kept."""
        self._note_policy(identity.device, kept.decision.policy_digest)
        entry = self._entry(identity)
        if entry is None or not _lasts(kept):
            return
        entry.kept = kept
        inode = (identity.device, identity.inode)
        self._passes.pop(inode, None)
        if kept.decision.verdict is Verdict.ALLOW and kept.until is not None:
            times = (identity.mtime_ns, identity.ctime_ns)
            self._passes[inode] = (identity.size, *times, kept.until)

    def forget(self, inode: Inode) -> None:
        """Somebody may write the file from now on: nothing is known of it any more."""
        self._entries.pop(inode, None)
        self._passes.pop(inode, None)

    def forget_decisions(self, device: int | None = None) -> None:
        """A policy changed, or an operator decided: all is asked again, or all of a device."""
        for inode, entry in self._entries.items():
            if device is None or inode[0] == device:
                entry.kept = None
                self._passes.pop(inode, None)

    def forget_decision_of(self, transfer_id: str, sha256: str) -> None:
        """Ask again about files decided as this transfer, or of these bytes if they are told."""
        for inode, entry in self._entries.items():
            if entry.is_of(transfer_id, sha256):
                entry.kept = None
                self._passes.pop(inode, None)

    def forget_files(self, device: int) -> None:
        """Nothing is known of any file of a device any more."""
        for inode in [inode for inode in self._entries if inode[0] == device]:
            self.forget(inode)

    def _note_policy(self, device: int, digest: str) -> None:
        # Without a digest no policy spoke: a HOLD of ours, which says nothing of other files.
        if digest and self._policies.setdefault(device, digest) != digest:
            self._policies[device] = digest
            self.forget_decisions(device)

    def _entry(self, identity: FileIdentity) -> _Entry | None:
        inode = (identity.device, identity.inode)
        entry = self._entries.get(inode)
        if entry is None or entry.identity != identity:
            return None
        self._entries.move_to_end(inode)
        return entry


def _lasts(kept: KeptDecision) -> bool:
    decision = kept.decision
    if not decision.opener_independent:
        return False
    if decision.verdict is Verdict.HOLD:
        return decision.hold_reason in _LASTING_HOLDS
    return decision.verdict is not Verdict.ALLOW or kept.until is not None
