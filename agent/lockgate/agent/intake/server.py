"""The intake: a process of its own that takes every core dump of the host in.

Rules enforced here:

1. One intake per run folder, by a lock that dies with it.
2. The thread that accepts never waits for a dump: each has a thread of its own, and there are
   not more of them than a bound.
3. Every two seconds it says how it is, and looks whether core_pattern is still its own; a
   change is reported once, through a record on disk that the agent reports.
4. On SIGTERM it takes no more in, waits for what is coming, and ends.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from lockgate.agent.guard.opener import start_ticks
from lockgate.agent.intake import pattern, protocol, wire
from lockgate.agent.intake.entry import Crash, Entry, State
from lockgate.agent.intake.identify import crash_of
from lockgate.agent.intake.loops import CrashLoops
from lockgate.agent.intake.pattern import Kernel, PatternError
from lockgate.agent.intake.receive import IntakeLimits, Reception
from lockgate.agent.intake.state import STATE_NAME, IntakeState, write_state
from lockgate.agent.intake.store import IntakeQuota, Store
from lockgate.agent.intake.stream import PipeStream, SocketStream
from lockgate.agent.notes import note_change
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import GuardChange

PID_NAME = "intake.pid"
_TICK_S = 2.0
_BACKLOG = 4096
_MOST_THREADS = 256
_HANDSHAKE_S = 1.0
_log = structlog.get_logger()


class IntakeBusyError(Exception):
    """Another intake serves this run folder."""


@dataclass(frozen=True, slots=True)
class IntakePlace:
    """Where an intake works, and its bounds."""

    run_dir: Path
    state_dir: Path
    store: Path
    quota: IntakeQuota
    crashes_per_hour: int
    limits: IntakeLimits = field(default_factory=IntakeLimits)
    kernel: Kernel = field(default_factory=Kernel)


class Intake:
    """Serves the kernel's socket and the pipe program's."""

    def __init__(self, place: IntakePlace) -> None:
        """Take the run folder's lock and open the store.

        Raises:
            IntakeBusyError: another intake has it.
            OSError: the folders cannot be used.
        """
        self._place = place
        self._opened = ExitStack()
        place.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        self._store = Store(place.store, place.quota)
        lost = self._store.recover()
        loops = CrashLoops.remembering(place.crashes_per_hour, self._store.all())
        self._reception = Reception(self._store, loops, place.limits)
        self._dumps = self._listen(pattern.socket_path(place.run_dir), socket.SOCK_STREAM)
        self._asked = self._listen(place.run_dir / wire.HANDOVER_NAME, socket.SOCK_SEQPACKET)
        self._threads = threading.Semaphore(_MOST_THREADS)
        self._expected: set[int] = set()
        self._stopping = False
        self._drift: str | None = None
        self._taken_in = 0
        self._not_kept: Counter[str] = Counter()
        if lost:
            self._not_kept["intake-ended"] = lost
            _log.warning("dumps were lost with an intake that ended", count=lost)

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal's handler."""
        self._stopping = True

    def run(self) -> None:
        """Take dumps in until told to end."""
        poller = select.poll()
        poller.register(self._dumps, select.POLLIN)
        poller.register(self._asked, select.POLLIN)
        with self._opened, self._reception.letting_go():
            due = 0.0
            while not self._stopping:
                if (now := time.monotonic()) >= due:
                    self._tick()
                    due = now + _TICK_S
                for number, _ in poller.poll(max(0.0, due - now) * 1000 + 1):
                    self._accept(number)
            self._end()

    def _take_lock(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._place.run_dir / PID_NAME, flags, 0o600)
        self._opened.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._opened.close()
            raise IntakeBusyError(
                f"an intake serves {self._place.run_dir} already; "
                "see `lockgate agent intake status`"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {start_ticks(os.getpid())}\n".encode("ascii"), 0)

    def _listen(self, path: Path, kind: int) -> socket.socket:
        """A listening socket that is there whole or not at all."""
        fresh = path.with_name(f".{path.name}")
        fresh.unlink(missing_ok=True)
        listener = self._opened.enter_context(closing(socket.socket(socket.AF_UNIX, kind)))
        listener.bind(str(fresh))
        fresh.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.settimeout(0)
        fresh.replace(path)
        return listener

    # What comes

    def _accept(self, number: int) -> None:
        listener = self._dumps if number == self._dumps.fileno() else self._asked
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(_HANDSHAKE_S)
        if listener is self._asked:
            self._answer(connection)
        else:
            self._in_thread(lambda: self._serve_socket(connection), connection.close)

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if not _readable(connection):
                return
            message, fds = wire.receive(connection)
            answer = self._understand(message, fds)
            connection.send(answer.encode("ascii"))

    def _understand(self, message: dict[str, Any], fds: list[int]) -> str:
        pid = message.get("pid")
        match message.get("verb"):
            case "dump" if fds and isinstance(pid, int):
                return self._take_pipe(message, pid, fds)
            case "expect" if isinstance(pid, int):
                self._expected.add(pid)
                return "expected"
            case "seen" if isinstance(pid, int):
                return "waiting" if pid in self._expected else "seen"
            case "stop":
                self._stopping = True
                return "stopping"
            case "ping":
                return str(os.getpid())
        for fd in fds:
            os.close(fd)
        return "unknown"

    def _take_pipe(self, message: dict[str, Any], pid: int, fds: list[int]) -> str:
        pidfd = fds[1] if len(fds) > 1 else None

        def let_go() -> None:
            for fd in fds:
                os.close(fd)

        if self._was_expected(pid):
            let_go()
            return "seen"
        crash = replace(
            crash_of(pid, pidfd),
            thread=int(message.get("thread") or 0),
            signal=int(message.get("signal") or 0),
        )
        if pidfd is not None:
            os.close(pidfd)
        stream = PipeStream(fds[0], self._place.limits.stall_s)
        self._in_thread(
            lambda: self._count(self._reception.take(stream, crash, "pipe")), stream.close
        )
        return "taken"

    def _serve_socket(self, connection: socket.socket) -> None:
        try:
            protocol.read_request(connection)
            pid = protocol.peer_pid(connection)
            if self._was_expected(pid):
                protocol.reject(connection)
                connection.close()
                return
            crash = _crash_behind(connection, pid)
            protocol.accept(connection)
        except (OSError, protocol.ProtocolError):
            connection.close()
            self._not_kept["no-protocol"] += 1
            return
        stream = SocketStream(connection, self._place.limits.stall_s)
        self._count(self._reception.take(stream, crash, "socket"))

    def _was_expected(self, pid: int) -> bool:
        """Whether a crash is the trial of ``enable``, which nobody wants to keep."""
        known = pid in self._expected
        self._expected.discard(pid)
        return known

    def _in_thread(self, work: Callable[[], None], refuse: Callable[[], None]) -> None:
        if not self._threads.acquire(blocking=False):
            refuse()
            self._not_kept["too-many"] += 1
            return

        def run() -> None:
            try:
                work()
            except OSError as error:
                self._not_kept["disk"] += 1
                _log.error("a crash could not be noted", error=error.strerror)
            finally:
                self._threads.release()

        threading.Thread(target=run, name="intake", daemon=True).start()

    def _count(self, entry: Entry) -> None:
        if entry.state is State.SEALED:
            self._taken_in += 1
        else:
            self._not_kept[entry.why.value] += 1
        _log.info(
            "core dump",
            id=entry.entry_id,
            state=entry.state.value,
            why=entry.why.value,
            executable=entry.crash.opener.executable,
            signal=entry.crash.signal,
            bytes=entry.size,
            seconds=entry.seconds,
        )

    # What is watched

    def _tick(self) -> None:
        drift = self._find_drift()
        if drift is not None and drift != self._drift:
            shown = f"core_pattern is {escape_name(drift)!r}"
            note_change(self._place.state_dir, self._place.run_dir, GuardChange.INTAKE_DRIFT, shown)
            _log.warning("core_pattern is not what the intake set", found=escape_name(drift))
        self._drift = drift
        with suppress(OSError):
            write_state(self._place.run_dir, self._state())

    def _find_drift(self) -> str | None:
        place = self._place
        try:
            setting = pattern.kept(place.state_dir)
            if setting is None:
                return None
            setting = pattern.set_after_boot(place.kernel, place.state_dir, setting)
        except (OSError, PatternError):
            return "unknown"
        return pattern.drift_of(place.kernel, setting)

    def _state(self) -> IntakeState:
        return IntakeState(
            pid=os.getpid(),
            drift=self._drift,
            receiving=self._reception.receiving,
            taken_in=self._taken_in,
            not_kept=dict(self._not_kept),
        )

    def _end(self) -> None:
        self._dumps.close()
        self._asked.close()
        run_dir = self._place.run_dir
        for path in (pattern.socket_path(run_dir), run_dir / wire.HANDOVER_NAME):
            path.unlink(missing_ok=True)
        end = time.monotonic() + self._place.limits.time_for(self._place.quota.max_bytes)
        working = _MOST_THREADS
        while working and time.monotonic() < end:
            if self._threads.acquire(timeout=_TICK_S):
                working -= 1
            else:  # whoever watches over it must see that it is not hanging
                with suppress(OSError):
                    write_state(run_dir, self._state())
        (run_dir / STATE_NAME).unlink(missing_ok=True)


def serve(place: IntakePlace) -> None:
    """Run an intake until SIGTERM or SIGINT.

    Raises:
        IntakeBusyError, OSError: it cannot start.
    """
    intake = Intake(place)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: intake.stop())
    intake.run()


def _crash_behind(connection: socket.socket, pid: int) -> Crash:
    pidfd = protocol.peer_pidfd(connection)
    try:
        return crash_of(pid, pidfd)
    finally:
        os.close(pidfd)


def _readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], _HANDSHAKE_S)[0])
