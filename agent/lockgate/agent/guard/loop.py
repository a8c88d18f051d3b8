"""The guard: one thread that waits for the kernel, the workers, the decider, and for time.

Rules enforced here:

1. Everything that answers opens happens in this thread. No path is opened on a guarded
   filesystem, and no log is written before an answer.
2. The agent beats for the holder from this loop only, so a loop that hangs is noticed.
3. What others ask of the guard from their threads is read, and never waits for the loop; what
   they want changed is changed by the loop.
"""

from __future__ import annotations

import math
import os
import resource
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from lockgate.agent.guard import census, fanotify
from lockgate.agent.guard.backlog import Backlog
from lockgate.agent.guard.cache import Inode, VerdictCache
from lockgate.agent.guard.clock import seconds
from lockgate.agent.guard.features import Features
from lockgate.agent.guard.gate import Gate, GateSettings
from lockgate.agent.guard.group import GroupLink
from lockgate.agent.guard.idle import IdleWork
from lockgate.agent.guard.marks import Marks
from lockgate.agent.guard.opens import Opens, ZonesByDevice
from lockgate.agent.guard.receipts import Receipts
from lockgate.agent.guard.snapshot import Snapshot
from lockgate.agent.guard.zones import GuardedZone
from lockgate.agent.ports import Decider, Progress, Readers, ReleaseDesk, Workers
from lockgate.agent.quarantine.store import Quarantine
from lockgate.wire.transfer import FileIdentity

_DESCRIPTORS_OF_OUR_OWN = 512  # events of one read, sockets, pipes, logs


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Settings of the guard beside those of the gate; times in seconds.

    ``strict``: names of the zones where every read is judged. ``idle_s``: how long all is
    quiet before new files are judged that nobody waits for; ``backlog_limit``: how many of
    them are held open until then. ``own_paths``: what must not lie on a guarded filesystem.
    ``features``: what the kernel can do.
    """

    host: str
    gate: GateSettings = field(default_factory=GateSettings)
    scan_timeout_s: float = 600.0
    beat_s: float = 1.0
    cache_entries: int = 30_000
    strict: frozenset[str] = frozenset()
    own_paths: tuple[Path, ...] = ()
    features: Features = field(default_factory=Features)
    idle_s: float = 1.0
    backlog_limit: int = 512


class Guard:
    """Holds the opens of its zones; made and run in the main thread of its process."""

    def __init__(
        self,
        zones: Sequence[GuardedZone],
        workers: Workers,
        decider: Decider,
        settings: GuardSettings,
        link: GroupLink,
        quarantine: Quarantine | None = None,
        readers: Readers | None = None,
        desk: ReleaseDesk | None = None,
    ) -> None:
        self._marks = Marks(zones, link, settings.strict, settings.own_paths)
        self._workers = workers
        self._decider = decider
        self._settings = settings
        self._link = link
        self._by_device = ZonesByDevice({zone.device: zone.zone for zone in zones})
        usable = settings.features.on(zone.kind for zone in zones)
        self._cache = VerdictCache(
            settings.cache_entries, lambda ctime_ns: usable.settled(ctime_ns, time.time_ns())
        )
        self._gate = Gate(_within_descriptors(settings), self._cache, self._expected_s)
        self._receipts = Receipts(decider, quarantine)
        self._backlog = Backlog(settings.backlog_limit)
        self._opens = Opens(
            self._gate,
            fanotify.Answers(link.group),
            self._by_device,
            workers,
            decider,
            self._receipts,
            self._backlog,
            host=settings.host,
            scan_timeout_s=settings.scan_timeout_s,
            readers=readers,
            desk=desk,
        )
        roots = {zone.device: zone.mount_point for zone in zones}
        self._idle = IdleWork(self._gate, self._opens, self._backlog, self, roots, settings.idle_s)
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._worker_fds: set[int] = set()
        self._older: tuple[census.OpenFile, ...] = ()
        self._holder_fd: int | None = None
        self._running = False
        self.disarmed = False
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._asked: deque[Callable[[], object]] = deque()
        self._next_beat = 0.0
        self._patience_s = 0.0

    # -- life --------------------------------------------------------------------------------

    def arm(self) -> None:
        """Mark the zones' filesystems; from here on every open waits for this guard.

        What other processes have open there is read afterwards, so that nothing is missed
        in between.
        """
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # a writer that meets our lease sends it
        self._marks.put()
        self._look_around()

    def _look_around(self) -> None:
        """Learn what other processes have open that no event told of."""
        devices = {zone.device for zone in self._marks.zones}
        self._older = tuple(census.open_files(devices, census.own_pids()))
        self._gate.inherit(
            (f.inode for f in self._older if f.reads), (f.inode for f in self._older if f.writes)
        )

    def run(self) -> None:
        """Answer until :meth:`stop`; the filesystems stay marked and the holder stays."""
        self.add_reader(self._link.group, self._opens.read_events)
        self.add_reader(self._decider.fileno(), self._opens.collect_decisions)
        self.add_reader(self._wake_read, self._woken)
        self.add_reader(self._marks.fileno(), self._mounted, select.EPOLLPRI)
        self._sync_workers()
        self._sync_holder()
        self._running = True
        try:
            while self._running:
                self._turn()
        finally:
            self._idle.close()
        self._receipts.record_due(math.inf)

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal's handler or another thread."""
        self._running = False
        os.write(self._wake_write, b".")

    def add_reader(
        self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN
    ) -> None:
        """Call ``callback`` from the loop whenever ``fd`` is readable; it must not block.

        ``events``: others than that, by the bits of epoll_ctl(2).
        """
        self._callbacks[fd] = callback
        self._poll.register(fd, events)

    def remove_reader(self, fd: int) -> None:
        """Undo :meth:`add_reader`."""
        del self._callbacks[fd]
        with suppress(OSError):  # closed already
            self._poll.unregister(fd)

    # -- for other threads -------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The guard as it is now."""
        return Snapshot(
            zones=tuple(zone.path for zone in self._marks.zones),
            unmarked=self._marks.missing,
            weaknesses=self._link.weaknesses(),
            pending=self._gate.pending,
            backlog=len(self._backlog),
            walks=self._idle.walks,
            counts=self._opens.counts(),
            older_than_mark=self._older,
        )

    def scan_progress(self, inode: Inode, size: int) -> Progress | None:
        """How far the judgement of a file is; None: it is not being judged."""
        job = self._gate.job_of(inode)
        if job is None and not self._backlog.is_wanted(inode):
            return None
        known = self._workers.progress(job.number) if job is not None else None
        return known or Progress(0, size, self._estimate_s(inode[0], size))

    def forget_decisions(self) -> None:
        """An operator decided, or the policy changed: ask again at the next open."""
        self._later(self._cache.forget_decisions)

    def forget_decision_of(self, transfer_id: str, sha256: str) -> None:
        """Somebody decided on one file: ask again at its next open."""
        self._later(lambda: self._cache.forget_decision_of(transfer_id, sha256))

    def rescan(self, device: int) -> None:
        """Judge every file of a device anew: at its next open, else when there is time."""

        def forget() -> None:
            self._cache.forget_files(device)
            self._backlog.miss_all(device)

        self._later(forget)

    def _later(self, work: Callable[[], object]) -> None:
        """Have something done by the loop, which alone changes what the guard knows."""
        self._asked.append(work)
        os.write(self._wake_write, b".")

    # -- the loop ----------------------------------------------------------------------------

    def _turn(self) -> None:
        for fd, _ in self._poll.poll(self._patience_s):
            if fd in self._callbacks:  # a callback before it may have removed it
                self._callbacks[fd]()
        now = seconds()
        if now >= self._next_beat:
            self._beat(now)
        self._patience_s = self._settings.beat_s
        if self._opens.waits or self._idle.waits:
            self._opens.tick(now)
            self._idle.turn(now)
            wakes = (self._opens.wake_in(now), self._idle.due_in(now), self._patience_s)
            self._patience_s = min(wake for wake in wakes if wake is not None)

    def _beat(self, now: float) -> None:
        self._next_beat = now + self._settings.beat_s
        if self._link.beat(self._gate.oldest_s(now)):
            self._leave_disarmed()
            return
        self._keep_marks()
        self._receipts.record_due(now)
        self._sync_holder()
        self._sync_workers()

    def _keep_marks(self) -> None:
        if self._marks.keep():
            self._look_around()

    def _mounted(self) -> None:
        self._marks.mounts_changed()
        self._keep_marks()

    def _woken(self) -> None:
        os.read(self._wake_read, 64)
        while self._asked:
            self._asked.popleft()()

    def _hear_holder(self) -> None:
        if self._link.hear():
            self._leave_disarmed()
        self._sync_holder()

    def _leave_disarmed(self) -> None:
        self.disarmed = True
        self._running = False

    def _sync_holder(self) -> None:
        fd = self._link.fileno()
        if fd != self._holder_fd:
            if self._holder_fd is not None:
                self.remove_reader(self._holder_fd)
            if fd is not None:
                self.add_reader(fd, self._hear_holder)
            self._holder_fd = fd

    def _sync_workers(self) -> None:
        wanted = set(self._workers.filenos())
        for fd in self._worker_fds - wanted:
            self.remove_reader(fd)
        for fd in wanted - self._worker_fds:
            self.add_reader(fd, self._opens.collect_reports)
        self._worker_fds = wanted

    # -- how long scans take -----------------------------------------------------------------

    def _expected_s(self, identity: FileIdentity, job: int | None) -> float:
        progress = self._workers.progress(job) if job is not None else None
        return (
            progress.remaining_s if progress else self._estimate_s(identity.device, identity.size)
        )

    def _estimate_s(self, device: int, size: int) -> float:
        return self._workers.estimate_s(size, self._by_device[device].name)


def _within_descriptors(settings: GuardSettings) -> GateSettings:
    """The gate's settings with no more pending opens than there are descriptors for.

    A pending open costs its event and a custody; a backlog and the process need the rest.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = (limit - settings.backlog_limit - _DESCRIPTORS_OF_OUR_OWN) // 2
    gate = settings.gate
    return replace(gate, pending_limit=max(1, min(gate.pending_limit, room)))
