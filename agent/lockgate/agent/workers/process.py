"""One worker process as the pool sees it: its socket, its job, its time.

Rules enforced here:

1. A worker is known by its socket only; what it says is checked before anything believes it.
2. A worker that ends, overruns or talks nonsense is :class:`WorkerLostError`; nothing it said
   for the job stands.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lockgate.agent.ports import Progress
from lockgate.agent.workers.framing import FramingError, Inbox, encode
from lockgate.agent.workers.priority import BACKGROUND, WAITED_FOR, Priority
from lockgate.agent.workers.settings import WorkerSettings, environment
from lockgate.scan.report import EngineInfo, Gap, GapReason, Report, report_from_json

_START_S = 60.0
_READ_BYTES = 1 << 16
_ENGINE_UNKNOWN = EngineInfo(version="", rule_pack="", profile="", searches=())


class WorkerLostError(Exception):
    """The worker is of no more use; the text is the detail of a gap."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to scan. ``fd`` is the pool's own; ``submitted`` is of the monotonic clock.

    ``follow``: the file may still grow under its writer's lock, and is scanned behind it.
    """

    number: int
    fd: int
    path: str
    size: int
    timeout_s: float
    background: bool
    submitted: float
    follow: bool = False


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


class Worker:
    """A running worker process and what it is doing."""

    def __init__(
        self, process: subprocess.Popen[bytes], sock: socket.socket, settings: WorkerSettings
    ) -> None:
        self.process = process
        #: What it was started with.
        self.settings = settings
        self.ready = False
        #: What this kernel or host could not give to confine it, in words.
        self.missing: tuple[str, ...] = ()
        self.job: Job | None = None
        #: When the last job was handed over, by the monotonic clock.
        self.since = time.monotonic()
        #: When to kill it; None while it waits for work.
        self.deadline: float | None = self.since + _START_S
        self.done_bytes = 0
        self._priority: Priority | None = None
        self._sock = sock
        self._inbox = Inbox()

    @classmethod
    def start(cls, settings: WorkerSettings, zone: str) -> Worker:
        """Start a process for jobs of ``zone``.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            process = subprocess.Popen(
                settings.command(theirs.fileno(), zone),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env=environment(os.environ),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(0)
        return cls(process, ours, settings)

    def fileno(self) -> int:
        """The descriptor to poll for answers."""
        return self._sock.fileno()

    def is_idle(self) -> bool:
        """Whether it can take a job now."""
        return self.ready and self.job is None

    def hand_over(self, job: Job) -> None:
        """Give it a job; the pool's descriptor of the file is closed.

        Raises:
            WorkerLostError: it is gone.
        """
        self.job, self.since, self.done_bytes = job, time.monotonic(), 0
        self.deadline = self.since + job.timeout_s
        self._stand(BACKGROUND if job.background else WAITED_FOR)
        message = encode({"job": job.number, "path": job.path, "follow": job.follow})
        try:
            sent = socket.send_fds(self._sock, [message], [job.fd])
        except OSError:
            sent = 0
        finally:
            os.close(job.fd)
        if sent != len(message):
            raise WorkerLostError("the scan worker died")

    def hasten(self) -> None:
        """Somebody waits for its job now."""
        if self.job is not None:
            self.job = replace(self.job, background=False)
            self._stand(WAITED_FOR)

    def _stand(self, priority: Priority) -> None:
        if priority is not self._priority:
            priority.give(self.process.pid)
            self._priority = priority

    def receive(self) -> list[tuple[Job, Report]]:
        """Take in what it sent; the reports that this completes.

        Raises:
            WorkerLostError: it is gone, or what it said is no answer.
        """
        try:
            piece = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            piece = b""
        if not piece:
            raise WorkerLostError("the scan worker died")
        try:
            answers = [self._understand(message) for message in self._inbox.feed(piece)]
        except (FramingError, KeyError, ValueError, TypeError, AttributeError, IndexError):
            raise WorkerLostError("the scan worker answered nonsense") from None
        return [answer for answer in answers if answer is not None]

    def _understand(self, message: Mapping[str, Any]) -> tuple[Job, Report] | None:
        if not self.ready:
            self.ready, self.deadline = bool(message["ready"]), None
            self.missing = tuple(map(str, message["missing"]))
            return None
        job = self.job
        if job is None or message["job"] != job.number:
            raise ValueError("an answer to no question")
        if "done" in message:
            # A second walk over the file begins at its first byte again.
            self.done_bytes = max(self.done_bytes, min(int(message["done"]), job.size))
            return None
        report = report_from_json(message["report"])
        self.job, self.deadline = None, None
        # Which file it was is not for the worker to say.
        return job, replace(report, path=job.path)

    def overrun(self, now: float) -> str | None:
        """Which limit of time it has passed, if any."""
        if self.deadline is None or now < self.deadline:
            return None
        limit = self.job.timeout_s if self.job else _START_S
        return f"time-limit: the scan worker overran {limit:g} s"

    def progress(self, estimate_s: Callable[[int], float]) -> Progress | None:
        """How far its job is, given what a scan of so many bytes is expected to take in all."""
        job, done = self.job, self.done_bytes
        if job is None:
            return None
        spent = time.monotonic() - self.since
        by_pace = spent * (job.size - done) / done if done else 0.0
        return Progress(done, job.size, max(estimate_s(job.size) - spent, by_pace, 0.0))

    def end(self) -> int | None:
        """Kill it and wait, so that its descriptors are certainly closed; its exit status."""
        self._sock.close()
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        return self.process.returncode
