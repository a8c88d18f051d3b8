"""What is done about each open, without doing it: events in, commands out.

Rules enforced here:

1. Unknown is never ALLOW. An opener passes when the verdict on exactly these bytes is ALLOW,
   when there are no bytes, or when it can only write.
2. No inode has a writer and a released reader together. A reader comes in only while no
   writer exists (the kernel's read lease says so); a writer only while nobody who was let in
   to read still has the file open, nor can have it open unseen (see admissions.py).
3. A descriptor that reads and writes is both: it must be alone, and the file clean or empty
   or about to be truncated.
4. Every open is answered by its deadline; more opens than the bound are refused at once, and
   so is an open of a file whose scan is expected to take longer than the deadline.
5. A report made without a lease, or of a file that changed, is not kept.
6. A scan that nobody waits for gives way to a writer at once.

The read of an open file in a strict zone is an opening too, of a reader that is there already.
The caller does the commands in order. Each event is a method that returns commands; times
are seconds of a monotonic clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lockgate.agent.guard.access import Access
from lockgate.agent.guard.admissions import Admissions
from lockgate.agent.guard.cache import Inode, KeptDecision, VerdictCache
from lockgate.agent.guard.commands import (
    Ask,
    Command,
    Defer,
    Doubt,
    Drop,
    Examine,
    Hasten,
    Opening,
    Pass,
    Scan,
    Settle,
    Take,
)
from lockgate.agent.guard.jobs import Job, Jobs
from lockgate.agent.guard.pending import Pending, PendingOpens
from lockgate.scan.report import GapReason, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict, hold

#: Gaps of a report that is none, because nobody scanned.
_NO_SCAN = {
    GapReason.WORKER_LOST: HoldReason.WORKER_LOST,
    GapReason.RULE_PACK: HoldReason.RULE_PACK,
}
_READER_HOLDS = "A process that was let in to read still has the file open; try again."

#: Seconds until the report of a file is expected; the job is that of its running scan.
Forecast = Callable[[FileIdentity, int | None], float]


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Limits of the gate, in seconds and counts.

    ``unseen_wait_s``: how long a writer waits for the closes of those whom /proc does not show.
    """

    deadline_s: float = 20.0
    writer_wait_s: float = 1.0
    writer_retry_s: float = 0.05
    unseen_wait_s: float = 0.1
    pending_limit: int = 4096


class Gate:
    """The state of all pending opens of the guarded filesystems."""

    def __init__(self, settings: GateSettings, cache: VerdictCache, forecast: Forecast) -> None:
        self._settings = settings
        self._cache = cache
        self._forecast = forecast
        self._pending = PendingOpens()
        self._jobs = Jobs()
        self._asks: dict[int, tuple[int, Opening]] = {}
        self._admissions = Admissions()
        self._names = 0

    # -- what a caller may look at -----------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many opens wait for an answer."""
        return len(self._pending)

    @property
    def waits(self) -> bool:
        """Whether any open waits for an answer."""
        return bool(self._pending.waiting)

    @property
    def writers_wait(self) -> bool:
        """Whether a writer waits for those who have its file open."""
        return self._pending.writers_wait

    @property
    def background(self) -> int:
        """How many scans run that nobody waits for."""
        return sum(1 for _ in self._jobs.background())

    def oldest_s(self, now: float) -> float:
        """How many seconds the open that has waited longest has waited."""
        first = self._pending.first()
        return 0.0 if first is None else max(0.0, now - first.deadline + self._settings.deadline_s)

    def job_of(self, inode: Inode) -> Job | None:
        """The judgement of a file that goes on now. Any thread may ask."""
        return self._jobs.of(inode)

    def is_unknown(self, identity: FileIdentity) -> bool:
        """Whether these bytes have no report and none is being made."""
        inode = (identity.device, identity.inode)
        return self._jobs.of(inode) is None and self._cache.report(identity) is None

    def wake_in(self, now: float) -> float | None:
        """Seconds until :meth:`tick` has something to do; None: nothing waits."""
        first = self._pending.first()
        if first is None:
            return None
        if self._pending.writers_wait:
            return self._settings.writer_retry_s
        return max(0.0, first.deadline - now)

    # -- events ------------------------------------------------------------------------------

    def inherit(self, readers: Iterable[Inode], writers: Iterable[Inode]) -> None:
        """Files that other processes had open before this gate saw any event."""
        self._admissions.inherit(readers, writers)

    def judged(self, status: os.stat_result, tid: int, now: float, *, opens: bool = True) -> bool:
        """The short way of a sealed open: True when it passes on what is known already.

        ``opens`` False: it is a read of what is open already.
        """
        inode = (status.st_dev, status.st_ino)
        if self._cache.passes(inode, status, now):
            self._admissions.read(inode, tid, opens=opens)
            return True
        return False

    def created(self, inode: Inode, tid: int, access: Access) -> bool:
        """The short way of a writer into an empty file: True when nobody else was let in."""
        if not access.writes or self._admissions.knows(inode) or self._jobs.of(inode):
            return False
        self._admissions.admit(inode, tid, access)
        self._cache.forget(inode)
        return True

    def opened(self, opening: Opening, now: float) -> list[Command]:
        """A process waits in open(2), or in read(2) on a file of a strict zone."""
        if len(self._pending) >= self._settings.pending_limit:
            return [Settle(opening.number, hold(HoldReason.OVERLOAD))]
        self._pending.add(opening, now + self._settings.deadline_s)
        if opening.access is None:
            return self._read(opening, now)
        if not opening.access.writes:
            return [self._refuse(opening.number, hold(HoldReason.LIVE_WRITER))]
        return self._write(opening, now)

    def named(self, inode: Inode) -> None:
        """A reader that the zone's settings name was let in, whatever the file holds."""
        self._admissions.admit_named(inode)

    def closed(
        self, inode: Inode, *, read: bool, wrote: bool, quiet: bool = False
    ) -> list[Command]:
        """Somebody closed a file that others may have open. ``quiet``: nobody writes it."""
        self._admissions.closed(inode, read=read, wrote=wrote)
        if quiet:
            self._admissions.quiet(inode)
        return self._examine(inode) if self._pending.writers_wait else []

    def has_admitted(self, inode: Inode) -> bool:
        """Whether anybody was let in to a file and may still be there."""
        return self._admissions.knows(inode)

    def vacated(self, inode: Inode) -> list[Command]:
        """The kernel says that nobody has a file open."""
        self._admissions.vacated(inode)
        return self._examine(inode) if self._pending.writers_wait else []

    def idle(self, number: int, identity: FileIdentity) -> list[Command]:
        """There is time to judge a file that nobody waits for. ``number``: a descriptor of it."""
        if identity.size == 0 or not self.is_unknown(identity):
            return []
        job = self._jobs.add(Job(self._name(), identity, sealed=True))
        return [Take(job.number, number), Scan(job.number, sealed=True, background=True)]

    def scanned(self, number: int, report: Report, *, unchanged: bool) -> list[Command]:
        """A scan ended."""
        job = self._jobs.get(number)
        if job is None:
            return []
        if reason := _why_unusable(report, unchanged=unchanged):
            return self.unscannable(number, reason)
        job.report = report
        if job.sealed:
            self._cache.store_report(job.identity, report)
        return [self._ask(n, report) for n in job.waiters[:1]] or self._end(job)

    def unscannable(self, number: int, reason: HoldReason) -> list[Command]:
        """A file could not be scanned, or not as it is."""
        job = self._jobs.get(number)
        return [*self._refuse_all(job, hold(reason)), *self._end(job)] if job else []

    def decided(
        self, ask: int, decision: Decision, transfer_id: str = "", *, until: float | None = None
    ) -> list[Command]:
        """A decision on a transfer came. ``until``: how long it holds, if it ends."""
        number, opening = self._asks.pop(ask, (None, None))
        if number is None or opening is None:
            return []
        kept = KeptDecision(decision, transfer_id, until)
        self._cache.store_decision(opening.identity, kept)
        pending = self._pending.get(number)
        asker = pending if pending and pending.opening is opening else None
        job = self._jobs.of(opening.inode)
        return [
            *([self._settle(number, kept, job.report if job else None)] if asker else []),
            *self._settle_job(job, kept),
        ]

    def examined(
        self, number: int, identity: FileIdentity, *, read: bool, written: bool, now: float
    ) -> list[Command]:
        """Whether /proc shows that other processes have the file of a parked writer open.

        ``identity`` is the file's of now: whoever was in the way may have written it.
        """
        pending = self._pending.get(number)
        if pending is None or pending.parked_until is None:
            return []
        pending.opening = opening = replace(pending.opening, identity=identity)
        self._admissions.examined(opening.inode, read=read, written=written)
        if self._obstructed(opening):
            unseen = not (read or written)
            if unseen:  # whoever is there is not about to close
                pending.parked_until = min(pending.parked_until, now + self._settings.unseen_wait_s)
            return self._give_up(pending, now, unseen=unseen)
        self._pending.unpark(number)
        return self._write(opening, now)

    def tick(self, now: float) -> list[Command]:
        """Time went by."""
        commands: list[Command] = []
        while (first := self._pending.first()) is not None and first.deadline <= now:
            commands += [self._refuse(first.opening.number, hold(HoldReason.DEADLINE))]
            commands += self._end_if_idle(first.job)
        for pending in self._pending.parked():
            commands += self._retry(pending, now)
        return commands

    # -- readers -----------------------------------------------------------------------------

    def _read(self, opening: Opening, now: float) -> list[Command]:
        if opening.identity.size == 0:
            return [self._pass(opening)]
        return self._known(opening, now) or self._judge(opening, sealed=True)

    def _known(self, opening: Opening, now: float) -> list[Command]:
        """What the cache alone answers; empty when it does not."""
        kept = self._cache.decision(opening.identity, now)
        if kept is None:
            return []
        if kept.decision.verdict is Verdict.ALLOW:
            return [self._pass(opening)]
        return [self._settle(opening.number, kept, self._cache.report(opening.identity))]

    def _judge(self, opening: Opening, *, sealed: bool) -> list[Command]:
        """Join or start the judgement of the file."""
        commands: list[Command] = []
        job = self._jobs.of(opening.inode)
        if job is not None and job.identity != opening.identity:
            commands += self._refuse_all(job, hold(HoldReason.CHANGED))
            commands += self._end(job, cancel=True)
            job = None
        report = self._cache.report(opening.identity) if job is None else job.report
        if report is None and self._takes_too_long(opening, job):
            return [*commands, *self._put_off(opening, job)]
        if job is None:
            job = self._jobs.add(Job(self._name(), opening.identity, sealed, report=report))
            commands.append(Take(job.number, opening.number))
            if report is None:
                commands.append(Scan(job.number, sealed))
        elif job.scanning and not job.waiters:
            commands.append(Hasten(job.number))
        job.waiters.append(opening.number)
        self._pending[opening.number].job = job
        return [*commands, *([self._ask(opening.number, report)] if report else [])]

    def _takes_too_long(self, opening: Opening, job: Job | None) -> bool:
        expected = self._forecast(opening.identity, job.number if job else None)
        return expected > self._settings.deadline_s

    def _put_off(self, opening: Opening, job: Job | None) -> list[Command]:
        """Refuse an open at once, and have the file judged without it."""
        later = [Defer(opening.number)] if job is None else []
        return [*later, self._refuse(opening.number, hold(HoldReason.SCAN_PENDING))]

    # -- writers -----------------------------------------------------------------------------

    def _write(self, opening: Opening, now: float) -> list[Command]:
        access = opening.access
        assert access is not None
        commands = self._interrupt_background(opening.inode)
        if self._obstructed(opening):
            self._pending.park(opening.number, now + self._settings.writer_wait_s)
            examine = self._jobs.of(opening.inode) is None
            return [*commands, *([self._examination(opening)] if examine else [])]
        if not access.reads or access.truncates or opening.identity.size == 0:
            return [*commands, self._pass(opening)]
        return [*commands, *(self._known(opening, now) or self._judge(opening, sealed=False))]

    def _obstructed(self, opening: Opening) -> bool:
        """Whether somebody let in, or a running judgement, is in a writer's way."""
        judged = self._jobs.of(opening.inode) is not None
        return judged or self._admissions.obstruct(opening)

    def _give_up(self, pending: Pending, now: float, *, unseen: bool = False) -> list[Command]:
        """Refuse a writer that waited long enough for others; ``unseen``: /proc shows none."""
        if pending.parked_until is None or now < pending.parked_until:
            return []
        number = pending.opening.number
        refusal = self._refuse(number, hold(HoldReason.LIVE_WRITER, message=_READER_HOLDS))
        return [Doubt(number), refusal] if unseen else [refusal]

    def _retry(self, pending: Pending, now: float) -> list[Command]:
        if self._jobs.of(pending.opening.inode) is not None:
            return self._give_up(pending, now)
        return [self._examination(pending.opening)]

    def _examine(self, inode: Inode) -> list[Command]:
        """Look again at whoever stands in the way of the writers that wait for a file."""
        return [self._examination(p.opening) for p in self._pending.parked_at(inode)]

    def _examination(self, opening: Opening) -> Command:
        return Examine(opening.number, self._admissions.threads_beside(opening))

    # -- answers -----------------------------------------------------------------------------

    def _pass(self, opening: Opening) -> Command:
        self._admit(opening)
        self._pending.remove(opening.number)
        return Pass(opening.number)

    def _admit(self, opening: Opening) -> None:
        """Remember who is let in; what a writer may change is not known any more."""
        if opening.opens:
            self._admissions.admit(opening.inode, opening.tid, opening.access)
        else:
            self._admissions.read(opening.inode, opening.tid, opens=False)
        if opening.access is not None and opening.access.writes:
            self._cache.forget(opening.inode)

    def _refuse(self, number: int, decision: Decision) -> Command:
        self._pending.remove(number)
        return Settle(number, decision)

    def _refuse_all(self, job: Job, decision: Decision) -> list[Command]:
        return [self._refuse(number, decision) for number in list(job.waiters)]

    def _settle(self, number: int, kept: KeptDecision, report: Report | None) -> Command:
        if kept.decision.verdict is Verdict.ALLOW:
            self._admit(self._pending[number].opening)
        self._pending.remove(number)
        return Settle(number, kept.decision, report, kept.transfer_id)

    def _settle_job(self, job: Job | None, kept: KeptDecision) -> list[Command]:
        """The others who wait for the same file: the same answer, or a question of their own."""
        if job is None or job.report is None:
            return []
        commands: list[Command] = []
        for number in list(job.waiters):
            if kept.decision.opener_independent:
                commands.append(self._settle(number, kept, job.report))
            elif not self._pending[number].asked:
                commands.append(self._ask(number, job.report))
        return [*commands, *self._end_if_idle(job)]

    # -- jobs --------------------------------------------------------------------------------

    def _name(self) -> int:
        self._names += 1
        return self._names

    def _ask(self, number: int, report: Report) -> Command:
        ask = self._name()
        pending = self._pending[number]
        pending.asked = True
        self._asks[ask] = (number, pending.opening)
        return Ask(ask, number, report)

    def _interrupt_background(self, inode: Inode) -> list[Command]:
        job = self._jobs.of(inode)
        return self._end(job, cancel=True) if job and not job.waiters else []

    def _end_if_idle(self, job: Job | None) -> list[Command]:
        """End a judgement that nobody waits for, unless its scan still runs."""
        if job is None or job.waiters or job.scanning or self._jobs.get(job.number) is not job:
            return []
        return self._end(job)

    def _end(self, job: Job, *, cancel: bool = False) -> list[Command]:
        self._jobs.remove(job)
        return [Drop(job.number, cancel=cancel and job.scanning), *self._examine(job.inode)]


def _why_unusable(report: Report, *, unchanged: bool) -> HoldReason | None:
    for gap in report.gaps:
        if gap.reason in _NO_SCAN:
            return _NO_SCAN[gap.reason]
    return None if unchanged else HoldReason.CHANGED
