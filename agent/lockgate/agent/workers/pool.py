"""The pool of scan workers, run from a thread of its own.

Rules enforced here:

1. A job that was submitted ends in exactly one report. A worker that dies, answers nonsense or
   overruns is killed and its job ends with the gap ``worker-lost``.
2. Opens that wait go before background work.
3. Starting a process, sending and waiting never happen in the caller's thread.
4. Workers that keep failing are started ever more slowly; until one stands, jobs are given up
   instead of waiting for ever, and status says why.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.ports import Progress
from lockgate.agent.workers.framing import FramingError, Inbox, encode
from lockgate.agent.workers.worker import RULES_FAILED
from lockgate.scan.report import EngineInfo, Gap, GapReason, Report, report_from_json

#: Failed starts in a row after which waiting jobs are given up.
START_ATTEMPTS = 3
_LONGEST_PAUSE_S = 30.0
_START_S = 60.0
_READ_BYTES = 1 << 16
_log = structlog.get_logger()
_ENGINE_UNKNOWN = EngineInfo(version="", rule_pack="", profile="", searches=())


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How workers run. ``private_bytes`` bounds the private memory of one (RLIMIT_DATA)."""

    count: int = 1
    private_bytes: int = 256 << 20
    profile: str = "standard"
    registry: tuple[Path, ...] = ()
    program: tuple[str, ...] = ("-m", "lockgate.agent.workers.worker")

    def command(self, sock: int) -> list[str]:
        """The command line of one worker that talks over descriptor ``sock``."""
        return [
            *(sys.executable, *self.program),
            *("--socket", str(sock), "--parent", str(os.getpid())),
            *("--memory", str(self.private_bytes), "--profile", self.profile),
            *(text for path in self.registry for text in ("--registry", str(path))),
        ]


def lost_report(
    path: str, size: int, why: str, reason: GapReason = GapReason.WORKER_LOST
) -> Report:
    """The report of a file whose scan ended without one."""
    return Report(
        path=path,
        sha256=None,
        size=size,
        findings=(),
        gaps=(Gap(reason, detail=why),),
        bytes_scanned=0,
        seconds=0.0,
        engine=_ENGINE_UNKNOWN,
    )


@dataclass(slots=True)
class _Job:
    number: int
    fd: int
    path: str
    size: int
    timeout_s: float


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    sock: socket.socket
    #: When to kill it, by the monotonic clock; None while it waits for work.
    deadline: float | None
    inbox: Inbox = field(default_factory=Inbox)
    ready: bool = False
    job: _Job | None = None


class WorkerPool:
    """Implements :class:`lockgate.agent.ports.Workers`."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._results: Mailbox[tuple[int, Report]] = Mailbox()
        self._wake: Mailbox[None] = Mailbox()
        self._lock = threading.Lock()
        self._urgent: deque[_Job] = deque()
        self._background: deque[_Job] = deque()
        self._cancelled: set[int] = set()
        self._open: set[int] = set()
        self._workers: dict[int, _Worker] = {}
        self._failures = 0
        self._failing = GapReason.WORKER_LOST
        self._start_after = 0.0
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
    ) -> None:
        """See :class:`lockgate.agent.ports.Workers`; ``background`` jobs wait for all others."""
        with self._lock:
            self._open.add(job)
        try:
            size = os.fstat(fd).st_size
            own = os.dup(fd)
        except OSError as error:
            self._finish(job, lost_report(path, 0, f"descriptor: {os.strerror(error.errno or 0)}"))
            return
        with self._lock:
            queue = self._background if background else self._urgent
            queue.append(_Job(job, own, path, size, timeout_s))
        self._wake.put(None)

    def estimate_s(self, size: int, zone: str = "") -> float:
        """Nothing is measured yet."""
        return 0.0

    def progress(self, job: int) -> Progress | None:
        """Nothing is known of running scans yet."""
        return None

    def collect(self) -> list[tuple[int, Report]]:
        """Jobs that ended since the last call, with their reports."""
        return self._results.collect()

    def cancel(self, job: int) -> None:
        """Forget a job; the worker that runs it is killed, so that it lets go of the file."""
        with self._lock:
            if job not in self._open:
                return
            self._open.discard(job)
            self._cancelled.add(job)
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
        return [w.process.pid for w in list(self._workers.values())]

    def waiting(self) -> int:
        """Jobs that no worker has begun."""
        return len(self._urgent) + len(self._background)

    def weaknesses(self) -> tuple[str, ...]:
        """Why scans cannot be had now, for status; empty: they can."""
        if self._failures < START_ATTEMPTS:
            return ()
        return (f"no scan worker can be started: {self._failing.explanation}",)

    # The pool's thread

    def _run(self) -> None:
        while not self._closing:
            self._start_missing()
            self._drop_cancelled()
            self._give_up_without_workers()
            self._assign()
            self._listen()
            self._expire()
        for worker in list(self._workers.values()):
            self._bury(worker)
        for job in self._take_queued():
            os.close(job.fd)

    def _start_missing(self) -> None:
        while len(self._workers) < self._settings.count:
            if time.monotonic() < self._start_after:
                return
            try:
                worker = self._start()
            except OSError:
                self._note_failed_start(GapReason.WORKER_LOST)
                return
            self._workers[worker.sock.fileno()] = worker

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            process = subprocess.Popen(
                self._settings.command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env=_worker_environment(os.environ),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(0)
        return _Worker(process, ours, deadline=time.monotonic() + _START_S)

    def _note_failed_start(self, reason: GapReason) -> None:
        self._failures += 1
        self._failing = reason
        self._start_after = time.monotonic() + min(0.1 * 2**self._failures, _LONGEST_PAUSE_S)

    def _give_up_without_workers(self) -> None:
        if self._failures < START_ATTEMPTS or self._workers:
            return
        for job in self._take_queued():
            os.close(job.fd)
            why = "the scan worker cannot be started"
            self._finish(job.number, lost_report(job.path, job.size, why, self._failing))

    def _take_queued(self) -> list[_Job]:
        with self._lock:
            jobs = [*self._urgent, *self._background]
            self._urgent.clear()
            self._background.clear()
        return jobs

    def _drop_cancelled(self) -> None:
        with self._lock:
            cancelled, self._cancelled = self._cancelled, set()
            dropped = []
            for queue in (self._urgent, self._background):
                gone = [job for job in queue if job.number in cancelled]
                for job in gone:
                    queue.remove(job)
                dropped += gone
        for job in dropped:
            os.close(job.fd)
        for worker in list(self._workers.values()):
            if worker.job and worker.job.number in cancelled:
                self._bury(worker)

    def _assign(self) -> None:
        for worker in list(self._workers.values()):
            if not worker.ready or worker.job:
                continue
            job = self._next_job()
            if job is None:
                return
            self._hand_over(worker, job)

    def _next_job(self) -> _Job | None:
        with self._lock:
            queue = self._urgent or self._background
            return queue.popleft() if queue else None

    def _hand_over(self, worker: _Worker, job: _Job) -> None:
        worker.job = job
        worker.deadline = time.monotonic() + job.timeout_s
        message = encode({"job": job.number, "path": job.path})
        try:
            sent = socket.send_fds(worker.sock, [message], [job.fd])
        except OSError:
            sent = 0
        finally:
            os.close(job.fd)
        if sent != len(message):
            self._lose(worker, "the scan worker died")

    def _listen(self) -> None:
        poller = select.poll()
        poller.register(self._wake.fileno(), select.POLLIN)
        for number in self._workers:
            poller.register(number, select.POLLIN)
        for number, _ in poller.poll(self._patience_ms()):
            if number == self._wake.fileno():
                self._wake.collect()
            elif worker := self._workers.get(number):
                self._hear(worker)

    def _patience_ms(self) -> float | None:
        times = [w.deadline for w in self._workers.values() if w.deadline is not None]
        if len(self._workers) < self._settings.count:
            times.append(self._start_after)
        return max(0.0, min(times) - time.monotonic()) * 1000 + 1 if times else None

    def _hear(self, worker: _Worker) -> None:
        try:
            piece = worker.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._lose(worker, "the scan worker died")
            return
        try:
            for message in worker.inbox.feed(piece):
                self._understand(worker, message)
        except (FramingError, KeyError, ValueError, TypeError, AttributeError, IndexError):
            self._lose(worker, "the scan worker answered nonsense")

    def _understand(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        if not worker.ready:
            worker.ready = bool(message["ready"])
            worker.deadline = None
            self._failures = 0
            return
        if worker.job is None or message["job"] != worker.job.number:
            raise ValueError("an answer to no question")
        report = report_from_json(message["report"])
        job, worker.job, worker.deadline = worker.job, None, None
        self._finish(job.number, report)

    def _expire(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers.values()):
            if worker.deadline is not None and now >= worker.deadline:
                limit = f"{worker.job.timeout_s:g} s" if worker.job else f"{_START_S:g} s"
                self._lose(worker, f"time-limit: the scan worker overran {limit}")

    def _lose(self, worker: _Worker, why: str) -> None:
        job, worker.job = worker.job, None
        self._bury(worker)
        if not worker.ready:
            status = worker.process.returncode
            rules = status == RULES_FAILED
            self._note_failed_start(GapReason.RULE_PACK if rules else GapReason.WORKER_LOST)
        if job is not None:
            self._finish(job.number, lost_report(job.path, job.size, why))
        _log.warning("scan worker lost", why=why, had_job=job is not None)

    def _bury(self, worker: _Worker) -> None:
        """Kill a worker and wait for it, so that its descriptors are certainly closed."""
        del self._workers[worker.sock.fileno()]
        worker.sock.close()
        worker.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=5)

    def _finish(self, job: int, report: Report) -> None:
        with self._lock:
            if job not in self._open:
                return
            self._open.discard(job)
        self._results.put((job, report))


def _worker_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What of our environment a worker may see: nothing that could be a secret."""
    kept = {name: ours[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in ours}
    # One thread and one arena: both are bought with private memory that the limit counts.
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
