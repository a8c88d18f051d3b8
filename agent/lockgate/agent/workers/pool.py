"""The pool of scan workers, run from a thread of its own.

Rules enforced here:

1. A job that was submitted ends in exactly one report. A worker that dies, answers nonsense or
   overruns is killed and its job ends with the gap ``worker-lost``.
2. Opens that wait go before background work; see :mod:`lockgate.agent.workers.crew`.
3. A worker serves one zone only. When there are as many workers as there may be, one that
   idles makes room for another zone's.
4. Starting a process, sending and waiting never happen in the caller's thread.
5. A worker looks for the keys that it was started with. When others are to be looked for, it is
   given no further job.
6. When workers cannot be started, jobs are given up instead of waiting for ever, and status
   says why.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.ports import Progress
from lockgate.agent.workers.crew import Crew
from lockgate.agent.workers.process import Job, Worker, WorkerLostError, lost_report
from lockgate.agent.workers.settings import WorkerSettings
from lockgate.agent.workers.worker import RULES_FAILED
from lockgate.scan.report import GapReason, Report

_log = structlog.get_logger()


@dataclass(slots=True)
class _Open:
    """A job without a report: whose it is, who hears of it, and who runs it once someone does."""

    crew: Crew
    answers: Mailbox[tuple[int, Report]]
    worker: Worker | None = None


class WorkerPool:
    """Implements :class:`lockgate.agent.ports.Workers`."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._own_registry = settings.registry
        self._settings = settings
        self._results: Mailbox[tuple[int, Report]] = Mailbox()
        self._wake: Mailbox[None] = Mailbox()
        #: Guards queues, rates and open jobs; the workers are the thread's alone.
        self._lock = threading.Lock()
        self._crews: dict[str, Crew] = {}
        self._jobs: dict[int, _Open] = {}
        self._cancelled: set[int] = set()
        self._hastened: set[int] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="scan-pool", daemon=True)
        self._thread.start()

    def filenos(self) -> Sequence[int]:
        """One descriptor, readable while reports wait."""
        return (self._results.fileno(),)

    def submit(
        self,
        job: int,
        fd: int,
        path: str,
        timeout_s: float,
        *,
        zone: str = "",
        background: bool = False,
        answers: Mailbox[tuple[int, Report]] | None = None,
        follow: bool = False,
    ) -> None:
        """See :class:`lockgate.agent.ports.Workers`.

        ``answers``: where one who is not the guard hears of the report; such a job has a
        negative number. ``follow``: see :class:`lockgate.agent.workers.process.Job`.
        """
        to = answers or self._results
        try:
            size = os.fstat(fd).st_size
            own = os.dup(fd)
        except OSError as error:
            why = f"descriptor: {os.strerror(error.errno or 0)}"
            to.put((job, lost_report(path, 0, why)))
            return
        made = Job(job, own, path, size, timeout_s, background, time.monotonic(), follow)
        with self._lock:
            crew = self._crew(zone)
            crew.queue(background=background)[job] = made
            self._jobs[job] = _Open(crew, to)
        self._wake.put(None)

    def look_for(self, registry: Sequence[Path]) -> None:
        """Have every scan that begins from now on look for these keys beside our own."""
        self._settings = replace(self._settings, registry=(*self._own_registry, *registry))

    def estimate_s(self, size: int, zone: str = "") -> float:
        """See :class:`lockgate.agent.ports.Workers`; before any measurement a cautious guess."""
        with self._lock:
            return self._crew(zone).rates.estimate_s(size)

    def progress(self, job: int) -> Progress | None:
        """See :class:`lockgate.agent.ports.Workers`."""
        with self._lock:
            known = self._jobs.get(job)
            if known is None or known.worker is None:
                return None
            return known.worker.progress(known.crew.rates.estimate_s)

    def collect(self) -> list[tuple[int, Report]]:
        """Jobs that ended since the last call, with their reports."""
        return self._results.collect()

    def hasten(self, job: int) -> None:
        """See :class:`lockgate.agent.ports.Workers`."""
        with self._lock:
            known = self._jobs.get(job)
            if known is None:
                return
            queued = known.crew.background.pop(job, None)
            if queued is not None:
                known.crew.urgent[job] = replace(queued, background=False)
            else:
                self._hastened.add(job)
        self._wake.put(None)

    def cancel(self, job: int) -> None:
        """Forget a job; the worker that runs it is killed, so that it lets go of the file."""
        with self._lock:
            known = self._jobs.pop(job, None)
            if known is None:
                return
            if known.worker is not None:
                self._cancelled.add(job)
            else:
                waiting = known.crew.urgent if job in known.crew.urgent else known.crew.background
                os.close(waiting.pop(job).fd)
        self._wake.put(None)

    def close(self) -> None:
        """End the processes and the thread."""
        self._closing = True
        self._wake.put(None)
        self._thread.join(timeout=10)
        self._wake.close()
        self._results.close()

    def process_ids(self) -> list[int]:
        """The workers' process ids, for status and tests."""
        return [w.process.pid for crew in self._all_crews() for w in list(crew.workers)]

    def waiting(self) -> int:
        """Jobs that no worker has begun."""
        return sum(crew.waiting() for crew in self._all_crews())

    def weaknesses(self) -> tuple[str, ...]:
        """Why scans cannot be had now, for status; empty: they can."""
        return tuple(
            f"no scan worker can be started{_of(crew.zone)}: {crew.failing.explanation}"
            for crew in self._all_crews()
            if crew.has_given_up()
        )

    def missing_confinement(self) -> tuple[str, ...]:
        """What this kernel or host could not give to confine the workers that stand now."""
        return tuple(sorted({text for _, worker in self._workers() for text in worker.missing}))

    def _crew(self, zone: str) -> Crew:
        return self._crews.setdefault(zone, Crew(zone, self._settings.count))

    def _all_crews(self) -> list[Crew]:
        with self._lock:
            return list(self._crews.values())

    # The pool's thread

    def _run(self) -> None:
        while not self._closing:
            self._attend_running()
            for crew, background in self._in_order():
                self._serve(crew, background=background)
            self._give_up_without_workers()
            self._listen()
            self._expire()
        for crew in self._all_crews():
            for worker in crew.workers:
                worker.end()
            for job in self._take_all(crew):
                os.close(job.fd)

    def _in_order(self) -> list[tuple[Crew, bool]]:
        """The queues that are not empty, in the order in which they are served."""
        with self._lock:
            heads = [
                (background, next(iter(queue.values())).submitted, crew.zone)
                for crew in self._crews.values()
                for background in (False, True)
                if (queue := crew.queue(background=background))
            ]
            return [(self._crews[zone], background) for background, _, zone in sorted(heads)]

    def _serve(self, crew: Crew, *, background: bool) -> None:
        while worker := crew.worker_for(background=background):
            if worker.settings is not self._settings:
                self._end(crew, worker)
                continue
            job = self._take(crew, worker, background=background)
            if job is None:
                return
            try:
                worker.hand_over(job)
            except WorkerLostError as lost:
                self._lose(crew, worker, str(lost))
        while crew.lacks_worker(background=background) and self._make_room(crew):
            self._start(crew)

    def _take(self, crew: Crew, worker: Worker, *, background: bool) -> Job | None:
        with self._lock:
            queue = crew.queue(background=background)
            if not queue:
                return None
            number, job = queue.popitem(last=False)
            self._jobs[number].worker = worker
            return job

    def _make_room(self, crew: Crew) -> bool:
        """Whether a worker may be started now; another zone's idle one may have to go."""
        if time.monotonic() < crew.start_after:
            return False
        others = [(c, w) for c in self._all_crews() for w in c.workers]
        if len(others) < self._settings.most:
            return True
        idle = [(c, w) for c, w in others if c is not crew and w.is_idle()]
        if not idle:
            return False
        owner, longest = min(idle, key=lambda pair: pair[1].since)
        self._end(owner, longest)
        return True

    def _start(self, crew: Crew) -> None:
        try:
            crew.workers.append(Worker.start(self._settings, crew.zone))
        except OSError:
            crew.note_failed_start(GapReason.WORKER_LOST)

    def _give_up_without_workers(self) -> None:
        for crew in self._all_crews():
            if crew.workers or not crew.has_given_up():
                continue
            for job in self._take_all(crew):
                os.close(job.fd)
                why = "the scan worker cannot be started"
                self._finish(job.number, lost_report(job.path, job.size, why, crew.failing))

    def _take_all(self, crew: Crew) -> list[Job]:
        with self._lock:
            jobs = [*crew.urgent.values(), *crew.background.values()]
            crew.urgent.clear()
            crew.background.clear()
        return jobs

    def _attend_running(self) -> None:
        """End or hasten the jobs that were asked for."""
        with self._lock:
            cancelled, self._cancelled = self._cancelled, set()
            hastened, self._hastened = self._hastened, set()
        for crew, worker in self._workers():
            number = None if worker.job is None else worker.job.number
            if number in cancelled:
                self._end(crew, worker)
            elif number in hastened:
                worker.hasten()

    def _listen(self) -> None:
        poller = select.poll()
        poller.register(self._wake.fileno(), select.POLLIN)
        by_number = {worker.fileno(): (crew, worker) for crew, worker in self._workers()}
        for number in by_number:
            poller.register(number, select.POLLIN)
        for number, _ in poller.poll(self._patience_ms()):
            if number == self._wake.fileno():
                self._wake.collect()
            else:
                self._hear(*by_number[number])

    def _patience_ms(self) -> float | None:
        times = [w.deadline for _, w in self._workers() if w.deadline is not None]
        times += [at for crew in self._all_crews() if (at := crew.next_start()) is not None]
        return max(0.0, min(times) - time.monotonic()) * 1000 + 1 if times else None

    def _hear(self, crew: Crew, worker: Worker) -> None:
        was_ready = worker.ready
        try:
            answers = worker.receive()
        except WorkerLostError as lost:
            self._lose(crew, worker, str(lost))
            return
        if worker.ready and not was_ready:
            crew.failures = 0
        for job, report in answers:
            self._note_rate(crew, job, time.monotonic() - worker.since)
            self._finish(job.number, report)

    def _expire(self) -> None:
        now = time.monotonic()
        for crew, worker in self._workers():
            why = worker.overrun(now)
            if why is not None:
                if worker.job is not None:
                    self._note_rate(crew, worker.job, now - worker.since)
                self._lose(crew, worker, why)

    def _lose(self, crew: Crew, worker: Worker, why: str) -> None:
        job, was_ready = worker.job, worker.ready
        status = self._end(crew, worker)
        if not was_ready:
            rules = status == RULES_FAILED
            crew.note_failed_start(GapReason.RULE_PACK if rules else GapReason.WORKER_LOST)
        if job is not None:
            self._finish(job.number, lost_report(job.path, job.size, why))
        _log.warning(
            "scan worker lost", why=why, status=status, had_job=job is not None, zone=crew.zone
        )

    def _end(self, crew: Crew, worker: Worker) -> int | None:
        crew.workers.remove(worker)
        return worker.end()

    def _workers(self) -> Iterator[tuple[Crew, Worker]]:
        for crew in self._all_crews():
            for worker in list(crew.workers):
                yield crew, worker

    def _note_rate(self, crew: Crew, job: Job, took_s: float) -> None:
        if job.follow:  # it may have waited for the writer
            return
        with self._lock:
            crew.rates.note(job.size, took_s)

    def _finish(self, job: int, report: Report) -> None:
        with self._lock:
            known = self._jobs.pop(job, None)
        if known is not None:
            known.answers.put((job, report))


def _of(zone: str) -> str:
    return f" for zone {zone}" if zone else ""
