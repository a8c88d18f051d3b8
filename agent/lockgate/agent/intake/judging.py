"""Judging what was taken in: scan, decision, receipt; the agent's half of the intake.

Rules enforced here:

1. The store is the queue: what has no judgement is judged, by this agent or the next one. An
   agent that dies loses nothing, and at worst asks twice.
2. A dump that is not whole, or not kept, has a gap in its report, whatever the scan says.
3. A scan counts only for the bytes that were sealed: its digest is the entry's, else it is
   done again.
4. A HOLD for want of a worker or of the controller is asked again, until somebody can decide.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from lockgate.agent.config import AgentSettings
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.intake import process
from lockgate.agent.intake.entry import Entry, Judgement, State, Why
from lockgate.agent.intake.folders import Folders
from lockgate.agent.intake.routes import zone_for
from lockgate.agent.services import host_of
from lockgate.agent.verdicts.asking import Asking
from lockgate.agent.verdicts.deciders import AnyDecider
from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.workers.process import lost_report
from lockgate.scan.names import escape_name
from lockgate.scan.report import Gap, GapReason, Report
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    Enforcement,
    FileIdentity,
    HoldReason,
    Receipt,
    Transfer,
    Verdict,
)

_TURN_S = 0.5
_LOOK_AFTER_S = 5.0
_AGAIN_S = 30.0
_SEAL_S = 120.0
_NO_FILE = FileIdentity(0, 0, 0, 0, 0)
_GAPS = {
    Why.NOT_A_CORE: GapReason.DAMAGED,
    Why.TOO_LONG: GapReason.DAMAGED,
    Why.QUOTA: GapReason.SIZE_LIMIT,
}
_AGAIN = frozenset(
    {
        HoldReason.CONTROLLER_UNREACHABLE,
        HoldReason.CERTIFICATE,
        HoldReason.WORKER_LOST,
        HoldReason.DEADLINE,
        HoldReason.SPOOL_FULL,
        HoldReason.STORE_FULL,
        HoldReason.POLICY_ERROR,
    }
)
_log = structlog.get_logger()


class Judge:
    """Judges the dumps of one store, in threads of its own."""

    def __init__(self, settings: AgentSettings, host: str, asking: Asking) -> None:
        self._settings = settings
        self._host = host
        self._asking = asking
        self._store = process.store_of(settings)
        self._folders = Folders(settings.intake.folders, self._store, settings.zones)
        self._pool = ThreadPoolExecutor(settings.scan.workers, "intake-judge")
        #: Entries that are judged, or being judged; the others have the time of the next try.
        self._settled: set[str] = set()
        self._again: dict[str, float] = {}
        self._reports: dict[str, Report] = {}
        self._ended = threading.Event()
        self._seen_change = 0
        self._looks_after = self._looks_again = 0.0
        self._thread = threading.Thread(target=self._run, name="intake-judge", daemon=True)

    def start(self) -> None:
        """Begin to judge."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what is not judged is judged by the next agent."""
        self._ended.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._ended.wait(_TURN_S):
            try:
                self._turn(time.monotonic())
            except OSError as error:  # no descriptor is left, or the store is away: look again
                _log.warning("the intake could not be looked at", error=error.strerror)

    def _turn(self, now: float) -> None:
        if now >= self._looks_after:
            self._looks_after = now + _LOOK_AFTER_S
            self._look_after_intake()
            self._folders.look()
        if self._has_changed() or now >= self._looks_again:
            self._begin()
            self._looks_again = now + _AGAIN_S

    def _look_after_intake(self) -> None:
        if not process.watch_over(self._settings):
            _log.error("the intake does not serve and cannot be started; core dumps are lost")

    def _has_changed(self) -> bool:
        changed = self._store.entries.stat().st_mtime_ns
        same, self._seen_change = changed == self._seen_change, changed
        return not same

    def _begin(self) -> None:
        now = time.monotonic()
        for entry in self._store.all(but=self._settled):
            key = entry.entry_id
            if now < self._again.get(key, 0.0):
                continue
            known = self._store.judgement(key)
            self._settled.add(key)
            if known is None or known.hold_reason in _AGAIN:
                with suppress(RuntimeError):  # closing
                    self._pool.submit(self._judge_safely, entry)

    def _judge_safely(self, entry: Entry) -> None:
        decision = None
        try:
            decision = self._judge(entry)
        except Exception as error:  # noqa: BLE001 - one entry must not be the last
            kind = type(error).__name__
            _log.error("a dump could not be judged", id=entry.entry_id, error=kind)
        if decision is None or decision.hold_reason in _AGAIN:
            self._again[entry.entry_id] = time.monotonic() + _AGAIN_S
            self._settled.discard(entry.entry_id)
        else:
            self._reports.pop(entry.entry_id, None)

    def _judge(self, entry: Entry) -> Decision | None:
        """Judge one entry; None: it is not ready."""
        zone = zone_for(entry.crash.opener.cgroup, self._settings.zones).zone
        entry, report, identity = self._look_at(entry, zone.name)
        if entry.state is State.RECEIVING:
            return None
        transfer = Transfer(
            transfer_id=entry.entry_id,
            zone=zone,
            host=self._host,
            boundary=Boundary.INTAKE,
            path=report.path,
            identity=identity,
            opener=entry.crash.opener,
            attempt_time=_time_of(entry),
        )
        decision = self._asking.decide(transfer, report)
        self._asking.record(_receipt(entry, transfer, decision))
        self._store.judge(_judgement(entry, zone.name, report, decision))
        return decision

    def _look_at(self, entry: Entry, zone: str) -> tuple[Entry, Report, FileIdentity]:
        """The entry as it is now, and what a scan saw of its bytes."""
        path = escape_name(entry.path or str(self._store.dumps / entry.entry_id))
        known = self._reports.get(entry.entry_id)
        report, identity = known, _NO_FILE
        if entry.state is not State.NOT_KEPT:
            with self._opened(entry) as fd:
                if fd is not None:
                    report = known or self._asking.scan_behind_writer(fd, path, zone)
                    entry = self._settled_entry(entry)
                    if entry.sha256 and report.sha256 != entry.sha256:
                        report = self._asking.scan_behind_writer(fd, path, zone)
                    identity = identity_of(os.fstat(fd))
        if report is None or entry.state is State.NOT_KEPT:
            why = entry.why.explanation or "The dump is not there any more."
            report = lost_report(path, entry.size, why, GapReason.UNREADABLE)
            identity = replace(_NO_FILE, size=entry.size)
        self._reports[entry.entry_id] = report
        return entry, _with_gaps(report, entry), identity

    @contextmanager
    def _opened(self, entry: Entry) -> Iterator[int | None]:
        try:
            fd = self._store.open_dump(entry)
        except OSError:
            yield None
            return
        try:
            yield fd
        finally:
            # Gigabytes that nobody reads again must not push out what the host works with.
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)

    def _settled_entry(self, entry: Entry) -> Entry:
        """The entry once the intake has said how it ended."""
        end = time.monotonic() + _SEAL_S
        while entry.state is State.RECEIVING and time.monotonic() < end:
            entry = self._store.find(entry.entry_id) or entry
            if entry.state is not State.RECEIVING or self._ended.wait(0.05):
                break
        return entry


@contextmanager
def judging(settings: AgentSettings, decider: AnyDecider, workers: WorkerPool) -> Iterator[None]:
    """Judge dumps for as long as this runs; without root there can be none.

    Raises:
        OSError: the intake store cannot be used.
    """
    if os.geteuid() != 0:
        yield
        return
    asking = Asking(workers, decider, settings.scan.timeout_seconds)
    judge = Judge(settings, host_of(settings, decider), asking)
    judge.start()
    try:
        yield
    finally:
        judge.close()


def _with_gaps(report: Report, entry: Entry) -> Report:
    if entry.why is Why.NOTHING:
        return report
    reason = _GAPS.get(entry.why, GapReason.TRUNCATED)
    return replace(report, gaps=(*report.gaps, Gap(reason, detail=entry.why.explanation)))


def _receipt(entry: Entry, transfer: Transfer, decision: Decision) -> Receipt:
    enforcement = {
        State.SEALED: Enforcement.TAKEN_IN,
        State.NOT_KEPT: Enforcement.NOT_KEPT,
        State.ELSEWHERE: Enforcement.NOT_ENFORCED,
    }[entry.state]
    sealed = entry.state is State.SEALED and decision.verdict is Verdict.QUARANTINE
    return Receipt(
        transfer_id=transfer.transfer_id,
        verdict=decision.verdict,
        enforcement=enforcement,
        hold_reason=decision.hold_reason,
        errno_value=0,
        enforce_time=datetime.now(UTC),
        path=transfer.path,
        opener=transfer.opener,
        quarantine_id=entry.entry_id if sealed else "",
        quarantine_path=transfer.path if sealed else "",
        detail=entry.why.explanation if entry.why else decision.message,
    )


def _judgement(entry: Entry, zone: str, report: Report, decision: Decision) -> Judgement:
    return Judgement(
        entry_id=entry.entry_id,
        time=datetime.now(UTC).isoformat(),
        zone=zone,
        verdict=decision.verdict.value,
        hold_reason=decision.hold_reason.value if decision.hold_reason else "",
        message=decision.message,
        outcome=report.outcome.value,
        findings=tuple(
            {
                "class": finding.class_.value,
                "algorithm": finding.algorithm,
                "fingerprint": finding.fingerprint,
                "protected_name": finding.protected_name or "",
            }
            for finding in report.findings
        ),
        gaps=tuple(gap.reason.value for gap in report.gaps),
    )


def _time_of(entry: Entry) -> datetime:
    with suppress(ValueError):
        return datetime.fromisoformat(entry.time).astimezone(UTC)
    return datetime.now(UTC)
