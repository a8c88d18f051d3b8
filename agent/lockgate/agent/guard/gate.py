"""What is done about each open, without doing it: events in, commands out.

Rules enforced here:

1. Unknown is never ALLOW. An opener passes when the verdict on exactly these bytes is ALLOW,
   when there are no bytes, or when it can only write.
2. No inode has a writer and a released reader together. A reader comes in only while no
   writer exists (the kernel's read lease says so); a writer only while nobody who was let in
   to read still has the file open.
3. A descriptor that reads and writes is both: it must be alone, and the file clean or empty
   or about to be truncated.
4. Every open is answered by its deadline; more opens than the bound are refused at once.
5. A report made without a lease, or of a file that changed, is not kept.
6. A scan that nobody waits for gives way to a writer at once.

The caller does the commands in order. Each event is a method that returns commands; times
are seconds of a monotonic clock, except where a datetime is named.
"""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from lockgate.agent.guard.admissions import Admissions
from lockgate.agent.guard.cache import Inode, KeptDecision, VerdictCache
from lockgate.agent.guard.commands import (
    Ask,
    Command,
    Drop,
    Examine,
    Opening,
    Pass,
    Scan,
    Settle,
    Take,
)
from lockgate.scan.report import GapReason, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict, hold

#: Gaps of a report that is none, because nobody scanned.
_NO_SCAN = {
    GapReason.WORKER_LOST: HoldReason.WORKER_LOST,
    GapReason.RULE_PACK: HoldReason.RULE_PACK,
}
_READER_HOLDS = "A process that was let in to read still has the file open; try again."


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Limits of the gate, in seconds and counts."""

    deadline_s: float = 20.0
    writer_wait_s: float = 1.0
    writer_retry_s: float = 0.05
    pending_limit: int = 4096
    backlog_limit: int = 256
    background_scans: int = 1


@dataclass(slots=True)
class _Job:
    identity: FileIdentity
    sealed: bool
    waiters: list[int] = field(default_factory=list)
    started: bool = False
    report: Report | None = None


@dataclass(slots=True)
class _Pending:
    opening: Opening
    deadline: float
    job: int | None = None
    parked_until: float | None = None
    asked: bool = False


class Gate:
    """The state of all pending opens of the guarded filesystems."""

    def __init__(self, settings: GateSettings, cache: VerdictCache) -> None:
        self._settings = settings
        self._cache = cache
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._jobs: dict[int, _Job] = {}
        self._job_of: dict[Inode, int] = {}
        self._backlog: OrderedDict[int, None] = OrderedDict()
        self._asks: dict[int, tuple[int, Opening]] = {}
        self._parked: defaultdict[Inode, list[int]] = defaultdict(list)
        self._admissions = Admissions()
        self._names = 0

    # -- what a caller may look at -----------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many opens wait for an answer."""
        return len(self._pending)

    def wake_in(self, now: float) -> float | None:
        """Seconds until :meth:`tick` has something to do; None: nothing waits."""
        if not self._pending:
            return None
        if self._parked:
            return self._settings.writer_retry_s
        return max(0.0, next(iter(self._pending.values())).deadline - now)

    # -- events ------------------------------------------------------------------------------

    def inherit(self, readers: Iterable[Inode], writers: Iterable[Inode]) -> None:
        """Files that other processes had open before this gate saw any event."""
        self._admissions.inherit(readers, writers)

    def judged(self, status: os.stat_result, tid: int, now_s: float) -> bool:
        """The short way of a sealed open: True when it passes on what is known already.

        ``now_s`` is in seconds since the epoch.
        """
        if not self._cache.passes(status, now_s):
            return False
        self._admissions.read((status.st_dev, status.st_ino), tid)
        return True

    def opened(self, opening: Opening, now: float, today: datetime) -> list[Command]:
        """A process waits in open(2)."""
        if len(self._pending) >= self._settings.pending_limit:
            return [Settle(opening.number, hold(HoldReason.OVERLOAD))]
        self._pending[opening.number] = _Pending(opening, now + self._settings.deadline_s)
        if opening.access is None:
            return self._read(opening, today)
        if not opening.access.writes:
            return [self._refuse(opening.number, hold(HoldReason.LIVE_WRITER))]
        return self._write(opening, now, today)

    def closed(self, inode: Inode, *, sole: bool, quiet: bool) -> list[Command]:
        """A file was closed. ``sole``: nobody has it open; ``quiet``: nobody writes it."""
        self._admissions.closed(inode, sole=sole, quiet=quiet)
        return self._examine(inode)

    def written(self, number: int, identity: FileIdentity) -> list[Command]:
        """A writer closed a file that nobody writes any more: judge it before it is asked for.

        ``number`` is the descriptor of the close event.
        """
        inode = (identity.device, identity.inode)
        if identity.size == 0 or inode in self._job_of or self._cache.report(identity):
            return []
        if len(self._backlog) >= self._settings.backlog_limit:
            return []
        job = self._new_job(identity, sealed=True)
        self._backlog[job] = None
        return [Take(job, number), *self._next_background()]

    def scanned(self, job: int, report: Report | None, *, unchanged: bool) -> list[Command]:
        """A scan ended. None: it could not be sealed, because a writer came first."""
        state = self._jobs.get(job)
        if state is None:
            return []
        reason = _why_unusable(report, unchanged=unchanged)
        if report is None or reason is not None:
            refusal = hold(reason or HoldReason.LIVE_WRITER)
            return [*self._refuse_all(state, refusal), *self._end(job)]
        state.report = report
        if state.sealed:
            self._cache.store_report(state.identity, report)
        commands: list[Command] = [self._ask(n, report) for n in state.waiters[:1]]
        return commands or self._end(job)

    def decided(self, ask: int, decision: Decision, transfer_id: str = "") -> list[Command]:
        """A decision on a transfer came."""
        number, opening = self._asks.pop(ask, (None, None))
        if number is None or opening is None:
            return []
        self._cache.store_decision(opening.identity, decision, transfer_id=transfer_id)
        pending = self._pending.get(number)
        asker = pending if pending and pending.opening is opening else None
        job = self._job_of.get(opening.inode)
        kept = KeptDecision(decision, transfer_id)
        return [
            *([self._settle(number, kept, self._report_of(opening))] if asker else []),
            *self._settle_job(job, kept),
        ]

    def examined(
        self,
        number: int,
        identity: FileIdentity,
        *,
        read: bool,
        written: bool,
        now: float,
        today: datetime,
    ) -> list[Command]:
        """Whether other processes have the file of a parked writer open.

        ``identity`` is the file's of now: whoever was in the way may have written it.
        """
        pending = self._pending.get(number)
        if pending is None or pending.parked_until is None:
            return []
        pending.opening = opening = replace(pending.opening, identity=identity)
        self._admissions.examined(opening.inode, read=read, written=written)
        if self._obstructed(opening):
            return self._park(pending, now)
        self._unpark(number)
        return self._write(opening, now, today)

    def tick(self, now: float) -> list[Command]:
        """Time went by."""
        commands: list[Command] = []
        while self._pending:  # in order of arrival, so in order of deadline
            number, pending = next(iter(self._pending.items()))
            if pending.deadline > now:
                break
            commands += [self._refuse(number, hold(HoldReason.DEADLINE))]
            commands += self._end_if_idle(pending.job)
        for number in [n for numbers in self._parked.values() for n in numbers]:
            commands += self._retry(number, now)
        return commands

    # -- readers -----------------------------------------------------------------------------

    def _read(self, opening: Opening, today: datetime) -> list[Command]:
        if opening.identity.size == 0:
            return [self._pass(opening)]
        known = self._known(opening, today)
        return known or self._judge(opening, sealed=True)

    def _known(self, opening: Opening, today: datetime) -> list[Command]:
        """What the cache alone answers; empty when it does not."""
        kept = self._cache.decision(opening.identity, today)
        if kept is None:
            return []
        if kept.decision.verdict is Verdict.ALLOW:
            return [self._pass(opening)]
        return [self._settle(opening.number, kept, self._cache.report(opening.identity))]

    def _judge(self, opening: Opening, *, sealed: bool) -> list[Command]:
        """Join or start the scan of the file; with its report known, ask."""
        running = self._job_of.get(opening.inode)
        commands: list[Command] = []
        if running is not None and self._jobs[running].identity != opening.identity:
            commands += self._refuse_all(self._jobs[running], hold(HoldReason.CHANGED))
            commands += self._end(running, cancel=True)
            running = None
        known = self._cache.report(opening.identity)
        job = running if running is not None else self._new_job(opening.identity, sealed=sealed)
        state = self._jobs[job]
        state.waiters.append(opening.number)
        self._pending[opening.number].job = job
        if running is None:
            commands.append(Take(job, opening.number))
        if known is not None and not state.started:
            state.started, state.report = True, known
            self._backlog.pop(job, None)
            return [*commands, self._ask(opening.number, known)]
        return [*commands, *self._start(job)]

    # -- writers -----------------------------------------------------------------------------

    def _write(self, opening: Opening, now: float, today: datetime) -> list[Command]:
        access = opening.access
        assert access is not None
        commands = self._interrupt_background(opening.inode)
        pending = self._pending[opening.number]
        if self._obstructed(opening):
            pending.parked_until = now + self._settings.writer_wait_s
            self._parked[opening.inode].append(opening.number)
            examine = opening.inode not in self._job_of
            return [*commands, *([self._examination(opening)] if examine else [])]
        if not access.reads or access.truncates or opening.identity.size == 0:
            return [*commands, self._pass(opening)]
        known = self._known(opening, today)
        return [*commands, *(known or self._judge(opening, sealed=False))]

    def _obstructed(self, opening: Opening) -> bool:
        """Whether somebody let in, or a running judgement, is in a writer's way."""
        return opening.inode in self._job_of or self._admissions.obstruct(opening)

    def _park(self, pending: _Pending, now: float) -> list[Command]:
        if pending.parked_until is None or now < pending.parked_until:
            return []
        refusal = hold(HoldReason.LIVE_WRITER, message=_READER_HOLDS)
        return [self._refuse(pending.opening.number, refusal)]

    def _retry(self, number: int, now: float) -> list[Command]:
        pending = self._pending[number]
        if pending.opening.inode in self._job_of:
            return self._park(pending, now)
        return [self._examination(pending.opening)]

    def _examine(self, inode: Inode) -> list[Command]:
        """Look again at whoever stands in the way of the writers that wait for a file."""
        numbers = self._parked.get(inode, ())
        return [self._examination(self._pending[number].opening) for number in numbers]

    def _examination(self, opening: Opening) -> Command:
        return Examine(opening.number, self._admissions.threads_beside(opening))

    def _unpark(self, number: int) -> None:
        pending = self._pending[number]
        if pending.parked_until is None:
            return
        pending.parked_until = None
        numbers = self._parked[pending.opening.inode]
        numbers.remove(number)
        if not numbers:
            del self._parked[pending.opening.inode]

    def _interrupt_background(self, inode: Inode) -> list[Command]:
        job = self._job_of.get(inode)
        if job is None or self._jobs[job].waiters:
            return []
        return self._end(job, cancel=True)

    # -- answers -----------------------------------------------------------------------------

    def _pass(self, opening: Opening) -> Command:
        self._admit(opening)
        self._forget_pending(opening.number)
        return Pass(opening.number)

    def _admit(self, opening: Opening) -> None:
        """Remember who is let in; what a writer may change is not known any more."""
        self._admissions.admit(opening)
        if opening.access is not None and opening.access.writes:
            self._cache.forget(opening.inode)

    def _refuse(self, number: int, decision: Decision) -> Command:
        self._forget_pending(number)
        return Settle(number, decision)

    def _refuse_all(self, job: _Job, decision: Decision) -> list[Command]:
        return [self._refuse(number, decision) for number in list(job.waiters)]

    def _settle(self, number: int, kept: KeptDecision, report: Report | None) -> Command:
        if kept.decision.verdict is Verdict.ALLOW:
            self._admit(self._pending[number].opening)
        self._forget_pending(number)
        return Settle(number, kept.decision, report, kept.transfer_id)

    def _settle_job(self, job: int | None, kept: KeptDecision) -> list[Command]:
        """The others who wait for the same file: the same answer, or a question of their own."""
        state = self._jobs.get(job) if job is not None else None
        if job is None or state is None or state.report is None:
            return []
        commands: list[Command] = []
        for number in list(state.waiters):
            if kept.decision.opener_independent:
                commands.append(self._settle(number, kept, state.report))
            elif not self._pending[number].asked:
                commands.append(self._ask(number, state.report))
        return [*commands, *self._end_if_idle(job)]

    def _forget_pending(self, number: int) -> None:
        self._unpark(number)
        pending = self._pending.pop(number)
        job = self._jobs.get(pending.job) if pending.job is not None else None
        if job is not None and number in job.waiters:
            job.waiters.remove(number)

    def _report_of(self, opening: Opening) -> Report | None:
        job = self._job_of.get(opening.inode)
        return self._jobs[job].report if job is not None else None

    # -- jobs --------------------------------------------------------------------------------

    def _name(self) -> int:
        self._names += 1
        return self._names

    def _new_job(self, identity: FileIdentity, *, sealed: bool) -> int:
        job = self._name()
        self._jobs[job] = _Job(identity, sealed)
        self._job_of[identity.device, identity.inode] = job
        return job

    def _start(self, job: int) -> list[Command]:
        state = self._jobs[job]
        if state.started:
            if state.report is not None:
                return [self._ask(n, state.report) for n in state.waiters[-1:]]
            return []
        state.started = True
        self._backlog.pop(job, None)
        return [Scan(job, state.sealed)]

    def _next_background(self) -> list[Command]:
        """Start scans nobody waits for, while nobody waits for a scan."""
        commands: list[Command] = []
        running = sum(1 for state in self._jobs.values() if state.started)
        while self._backlog and running < self._settings.background_scans:
            commands += self._start(next(iter(self._backlog)))
            running += 1
        return commands

    def _ask(self, number: int, report: Report) -> Command:
        ask = self._name()
        pending = self._pending[number]
        pending.asked = True
        self._asks[ask] = (number, pending.opening)
        return Ask(ask, number, report)

    def _end_if_idle(self, job: int | None) -> list[Command]:
        """End a judgement that nobody waits for, unless its scan still runs."""
        state = self._jobs.get(job) if job is not None else None
        if job is None or state is None or state.waiters or state.report is None:
            return []
        return self._end(job)

    def _end(self, job: int, *, cancel: bool = False) -> list[Command]:
        state = self._jobs.pop(job)
        self._backlog.pop(job, None)
        inode = (state.identity.device, state.identity.inode)
        del self._job_of[inode]
        return [
            Drop(job, cancel=cancel and state.started),
            *self._examine(inode),
            *self._next_background(),
        ]


def _why_unusable(report: Report | None, *, unchanged: bool) -> HoldReason | None:
    if report is None:
        return HoldReason.LIVE_WRITER
    for gap in report.gaps:
        if gap.reason in _NO_SCAN:
            return _NO_SCAN[gap.reason]
    return None if unchanged else HoldReason.CHANGED
