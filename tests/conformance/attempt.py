"""One attempt on one way out, in processes of its own.

Rules enforced here:

1. An attempt that hangs is a failure: its time is bounded, and everything that it started is
   killed at its end, also what made itself a daemon.
2. What an attempt got out is compared where it was got; only the answer leaves the process.
3. What happens before the guard and what happens after are two steps, and the caller says
   when the second begins.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.way import Place, Steps, Way

#: Seconds from the guard to the end of an attempt.
LIMIT_S = 40.0
HUNG = "hung, or died"
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt: whether the content was seen, the error that ended it.

    ``said``: the last that its programs complained of.
    """

    shown: bool
    size: int
    error: str
    seconds: float
    said: str = ""

    @property
    def hung(self) -> bool:
        """Whether it did not come to its end."""
        return self.error == HUNG

    @property
    def summary(self) -> str:
        """In a few words."""
        seen = "seen" if self.shown else "not seen"
        ended = f"{self.error} {self.said}".strip()
        return f"{seen} in {self.size} bytes, {self.seconds:.2f} s{ended and ': '}{ended}"


class Running:
    """An attempt under way. Its ``yield`` was reached when the constructor returns."""

    def __init__(self, way: Way, place: Place, log: Path) -> None:
        self._log = log
        answers, answering = os.pipe()
        starting, self._start = os.pipe()
        self._answers = answers
        self._keeper = os.fork()
        if self._keeper == 0:
            os.close(answers)
            os.close(self._start)
            with _last():
                _keep(way.steps(place), place, log, starting, answering)
        os.close(answering)
        os.close(starting)
        self._before = self._read_line(LIMIT_S)

    def pids(self) -> set[int]:
        """All the processes of it that are alive."""
        found, new = set[int](), {self._keeper}
        while new:
            found |= new
            new = {child for pid in new for child in _children(pid)}
        return found

    def proceed(self) -> None:
        """Let the second step begin."""
        if self._before == b"ready":
            os.write(self._start, b".")

    def finish(self) -> Result:
        """Wait for what comes of it."""
        try:
            ready = self._before == b"ready"
            answer = self._read_line(LIMIT_S) if ready else self._before
        finally:
            self.abandon()
        if not answer:
            return Result(shown=False, size=0, error=HUNG, seconds=LIMIT_S)
        said = self._log.read_text("utf-8", "replace").splitlines()[-2:]
        return Result(**json.loads(answer), said=" / ".join(said))

    def abandon(self) -> None:
        """End it and whatever it started."""
        for fd in (self._start, self._answers):
            with suppress(OSError):
                os.close(fd)
        with suppress(ChildProcessError):
            os.waitpid(self._keeper, 0)

    def _read_line(self, seconds: float) -> bytes:
        end = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self._answers], [], [], max(0.0, end - time.monotonic()))[0]:
                return b""
            piece = os.read(self._answers, 65536)
            if not piece:
                return b""
            line += piece
        return line[:-1]


def _keep(steps: Steps, place: Place, log: Path, starting: int, answering: int) -> None:
    """Run the attempt as a child; when the caller hangs up or it ends, kill all descendants."""
    os.setsid()
    _close_all_but(starting, answering)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    told, telling = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(telling)
        with _last():
            _work(steps, place, log, told, answering)
    os.close(told)
    ended = os.pidfd_open(worker)
    hung_up = False
    with suppress(OSError):
        while not hung_up and not select.select([ended], [], [], 0)[0]:
            ready = select.select([ended, starting], [], [])[0]
            if starting in ready:
                word = os.read(starting, 1)
                hung_up = not word
                os.write(telling, word)
    _kill_descendants()


@contextmanager
def _last() -> Iterator[None]:
    """Nothing happens in this process after this: what follows belongs to its parent."""
    try:
        yield
    finally:
        os._exit(0)


def _close_all_but(*wanted: int) -> None:
    """Close what other attempts have open: a pipe ends when its last writer is gone."""
    for fd in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if fd > 2 and fd not in wanted:
            with suppress(OSError):
                os.close(fd)


def _work(steps: Steps, place: Place, log: Path, told: int, answering: int) -> None:
    """Do both steps and say what came of it."""
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    answer: dict[str, object] = {"shown": False, "size": 0, "error": ""}
    started = time.monotonic()
    try:
        next(steps)
        os.write(answering, b"ready\n")
        if os.read(told, 1):
            started = time.monotonic()
            next(steps)
    except StopIteration as stop:
        got = stop.value or b""
        answer |= {"shown": place.content.shown_in(got), "size": len(got)}
    except OSError as error:
        missing = isinstance(error, FileNotFoundError) and "/" not in str(error.filename or "/")
        code = errno.errorcode.get(error.errno or 0, str(error))
        answer["error"] = f"{code}: {error.filename}" if missing else code
    except BaseException as error:
        traceback.print_exc()
        answer["error"] = type(error).__name__
    answer["seconds"] = time.monotonic() - started
    os.write(answering, json.dumps(answer).encode() + b"\n")


def _children(pid: int) -> list[int]:
    """The children of all threads of a process; none when it has ended."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text("ascii").split())
    return found


def _kill_descendants() -> None:
    """Kill children until there are none; theirs become ours when they die."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        children = _children(os.getpid())
        if not children:
            return
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                continue
        time.sleep(0.005)
