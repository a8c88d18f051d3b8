"""The lesser modes: outbox and monitor, over inotify, without root.

Rules enforced here:

1. Events are hints. All files are looked for again at the start, after an overflow, in every
   new directory and every ``rescan_s``; a file is known by its identity, so that looking
   twice costs nothing. Monitor mode still never claims to have seen everything.
2. Outbox: a file is opened first, judged by that descriptor, and moved only if the name still
   leads to the unchanged file: into ``released`` after an ALLOW, into ``held`` otherwise. No
   file of that name is ever replaced.
3. Only regular files are judged; links are not followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import select
import stat
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.durable import sync_directory
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.ports import Decider
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.scan.names import escape_name
from lockgate.scan.report import Report
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    Enforcement,
    FileIdentity,
    Receipt,
    Transfer,
    Verdict,
)

OUTBOX, RELEASED, HELD = "outbox", "released", "held"
_EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
_OVERFLOW_LOGGER = "watchdog.observers.inotify_c"
_KNOWN_FILES = 200_000
_AT_ONCE = 64
_TURN_S = 0.2


class BackgroundWorkers(Protocol):
    """What the watch needs of the pool."""

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll."""
        ...

    def submit(
        self, job: int, fd: int, path: str, timeout_s: float, *, background: bool = False
    ) -> None:
        """Have ``fd`` scanned."""
        ...

    def collect(self) -> list[tuple[int, Report]]:
        """Jobs that ended."""
        ...


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Times in seconds. A file must be unchanged for ``quiet_s`` before it is judged."""

    host: str
    scan_timeout_s: float = 600.0
    rescan_s: float = 60.0
    quiet_s: float = 0.5


@dataclass(slots=True)
class _Job:
    zone: ZoneSettings
    path: Path
    fd: int
    transfer: Transfer


class Watch:
    """Finds files, has them judged, and moves them where its mode says so."""

    def __init__(
        self,
        zones: Sequence[ZoneSettings],
        workers: BackgroundWorkers,
        decider: Decider,
        settings: WatchSettings,
    ) -> None:
        self._zones = tuple(zones)
        self._workers = workers
        self._decider = decider
        self._settings = settings
        self._found: queue.SimpleQueue[tuple[ZoneSettings, Path]] = queue.SimpleQueue()
        self._later: dict[Path, tuple[float, ZoneSettings]] = {}
        self._known: OrderedDict[tuple[Path, FileIdentity], None] = OrderedDict()
        self._jobs: dict[int, _Job] = {}
        self._next_job = 1
        self._rescan = threading.Event()
        self._counts: Counter[str] = Counter()
        self._observer = Observer()
        self._overflow = _OverflowHandler(self)
        self._stopping = False

    def start(self) -> None:
        """Watch, and look for what is there already.

        Raises:
            OSError: a zone cannot be watched.
        """
        logging.getLogger(_OVERFLOW_LOGGER).addHandler(self._overflow)
        for zone in self._zones:
            for folder in _folders(zone):
                folder.mkdir(parents=True, exist_ok=True)
            handler = _Found(self, zone)
            self._observer.schedule(
                handler, str(_watched(zone)), recursive=True, event_filter=_EVENTS
            )
        self._observer.start()
        self._rescan.set()

    def run(self) -> None:
        """Judge until :meth:`stop`."""
        next_rescan = 0.0
        try:
            while not self._stopping:
                now = time.monotonic()
                if self._rescan.is_set() or now >= next_rescan:
                    self._rescan.clear()
                    next_rescan = now + self._settings.rescan_s
                    for zone in self._zones:
                        self.look_into(zone, _watched(zone))
                self._turn()
        finally:
            self._close()

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal's handler."""
        self._stopping = True

    def status(self) -> dict[str, Any]:
        """What ``lockgate agent status`` shows: this mode is always blind to reads."""
        return {
            "mode": self._zones[0].mode.value,
            "state": "blind",
            "reasons": ["opens are not held in this mode; files may be missed"],
            "zones": [escape_name(str(zone.path)) for zone in self._zones],
            "pending": len(self._jobs) + len(self._later),
            "counts": dict(self._counts),
        }

    # Called from watchdog's threads

    def found(self, zone: ZoneSettings, path: Path) -> None:
        """A file may be new or changed."""
        self._found.put((zone, path))

    def look_into(self, zone: ZoneSettings, folder: Path) -> None:
        """Everything in a folder may be new."""
        for path in _files(folder):
            self._found.put((zone, path))

    def overflowed(self) -> None:
        """The kernel has dropped events: look everywhere again."""
        self._counts["overflows"] += 1
        self._rescan.set()

    # The watch's own thread

    def _turn(self) -> None:
        self._take_found()
        self._begin_due()
        fds = [*self._workers.filenos(), self._decider.fileno()]
        if select.select(fds, [], [], _TURN_S)[0]:
            for number, report in self._workers.collect():
                if job := self._jobs.get(number):
                    self._decider.request(number, job.transfer, report)
            for number, decision in self._decider.collect():
                if settled := self._jobs.pop(number, None):
                    self._settle(settled, decision)

    def _take_found(self) -> None:
        due = time.monotonic() + self._settings.quiet_s
        while not self._found.empty():
            zone, path = self._found.get()
            self._later.setdefault(path, (due, zone))

    def _begin_due(self) -> None:
        now = time.monotonic()
        due = [path for path, (when, _) in self._later.items() if when <= now]
        for path in due[: max(0, _AT_ONCE - len(self._jobs))]:
            _, zone = self._later.pop(path)
            self._begin(zone, path)

    def _begin(self, zone: ZoneSettings, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            if path.is_file():
                self._counts["unreadable"] += 1
            return
        status = os.fstat(fd)
        identity = identity_of(status)
        key = (path, identity)
        if not stat.S_ISREG(status.st_mode) or key in self._known:
            os.close(fd)
            return
        busy = zone.mode is Mode.OUTBOX and _is_written(fd)
        if busy or time.time() - status.st_mtime < self._settings.quiet_s:
            os.close(fd)
            self._later[path] = (time.monotonic() + self._settings.quiet_s, zone)
            return
        self._remember(key)
        boundary = Boundary.OUTBOX if zone.mode is Mode.OUTBOX else Boundary.OPEN
        transfer = new_transfer(
            zone=zone.zone,
            host=self._settings.host,
            path=escape_name(str(path)),
            identity=identity,
            opener=None,
            boundary=boundary,
        )
        number, self._next_job = self._next_job, self._next_job + 1
        self._jobs[number] = _Job(zone, path, fd, transfer)
        timeout = self._settings.scan_timeout_s
        self._workers.submit(number, fd, transfer.path, timeout, background=True)

    def _remember(self, key: tuple[Path, FileIdentity]) -> None:
        self._known[key] = None
        if len(self._known) > _KNOWN_FILES:
            self._known.popitem(last=False)

    def _settle(self, job: _Job, decision: Decision) -> None:
        try:
            changed = identity_of(os.fstat(job.fd)) != job.transfer.identity or (
                job.zone.mode is Mode.OUTBOX and _is_written(job.fd)
            )
            if changed:
                self._later[job.path] = (time.monotonic() + self._settings.quiet_s, job.zone)
                self._known.pop((job.path, job.transfer.identity), None)
            receipt = replace(
                receipt_of(job.transfer, decision, 0), enforcement=Enforcement.NOT_ENFORCED
            )
            if job.zone.mode is Mode.OUTBOX and not changed:
                receipt = self._move(job, decision, receipt)
        finally:
            os.close(job.fd)
        self._counts[decision.verdict.value.lower()] += 1
        self._decider.record(receipt)

    def _move(self, job: _Job, decision: Decision, receipt: Receipt) -> Receipt:
        allowed = decision.verdict is Verdict.ALLOW
        folder = job.zone.path / (RELEASED if allowed else HELD)
        try:
            target = _free_name(folder, job.path.name, job.transfer.transfer_id)
            if not os.path.samestat(job.path.lstat(), os.fstat(job.fd)):
                return replace(receipt, detail="not moved: another file has its name now")
            job.path.rename(target)
        except OSError as error:
            return replace(receipt, detail=f"not moved: {error.strerror}")
        with contextlib.suppress(OSError):
            sync_directory(folder)
        enforcement = Enforcement.ALLOWED if allowed else Enforcement.DENIED
        return replace(
            receipt, enforcement=enforcement, detail=f"moved to {escape_name(str(target))}"
        )

    def _close(self) -> None:
        logging.getLogger(_OVERFLOW_LOGGER).removeHandler(self._overflow)
        self._observer.stop()
        self._observer.join(timeout=5)
        for job in self._jobs.values():
            os.close(job.fd)


class _Found(FileSystemEventHandler):
    """Turns watchdog's events into paths to look at."""

    def __init__(self, watch: Watch, zone: ZoneSettings) -> None:
        self._watch = watch
        self._zone = zone

    def on_any_event(self, event: FileSystemEvent) -> None:
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        if event.is_directory:
            self._watch.look_into(self._zone, path)
        else:
            self._watch.found(self._zone, path)


class _OverflowHandler(logging.Handler):
    """watchdog tells of lost events in its log only."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage().lower():
            self._watch.overflowed()


def _is_written(fd: int) -> bool:
    """Whether somebody has the file open to write, or mapped so; from here on writers wait.

    Where no lease can be had (another user's file, a filesystem without them) it is not known,
    and the identity of the file is what remains to compare.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _watched(zone: ZoneSettings) -> Path:
    return zone.path / OUTBOX if zone.mode is Mode.OUTBOX else zone.path


def _folders(zone: ZoneSettings) -> Iterator[Path]:
    if zone.mode is Mode.OUTBOX:
        yield from (zone.path / name for name in (OUTBOX, RELEASED, HELD))


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _free_name(folder: Path, name: str, transfer_id: str) -> Path:
    """``name`` in ``folder``, or with the transfer's id when that is taken."""
    target = folder / name
    return folder / f"{transfer_id}-{name}" if os.path.lexists(target) else target
