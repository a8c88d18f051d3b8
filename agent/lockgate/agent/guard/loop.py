"""The loop between the kernel and the gate: one thread, no path opened, no log before an answer.

Rules enforced here:

1. A judged file costs a lease, an fstat(2), a look into the cache, an answer and a close.
   Everything else is read only for misses and denials.
2. Every event is answered. An error that nobody foresaw ends the process, and the holder
   refuses what was pending; the guard never goes on with an event it lost.
3. The answer is written before the descriptor is closed; records follow the answer.
4. The identity is compared once more right before an ALLOW that took time.
5. The agent beats for the holder from this loop only, so a loop that hangs is noticed.
"""

from __future__ import annotations

import errno
import math
import os
import resource
import select
import signal
import stat
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lockgate.agent.guard import census, fanotify
from lockgate.agent.guard.access import Access, may_be_opening, pending_access
from lockgate.agent.guard.cache import Inode, VerdictCache
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
from lockgate.agent.guard.custody import Custody, identity_of, is_sole, seal, unseal
from lockgate.agent.guard.errnos import errno_of
from lockgate.agent.guard.gate import Gate, GateSettings
from lockgate.agent.guard.group import GroupLink
from lockgate.agent.guard.opener import frozen_opener, path_of
from lockgate.agent.guard.repeats import Repeats
from lockgate.agent.guard.snapshot import GuardState, Snapshot
from lockgate.agent.guard.zones import GuardedZone
from lockgate.agent.ports import Decider, Readers, ReleaseDesk, Workers
from lockgate.agent.quarantine.store import Quarantine
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    HoldReason,
    Receipt,
    Transfer,
    Verdict,
    Zone,
    hold,
)

_DESCRIPTORS_OF_OUR_OWN = 512  # events of one read, sockets, pipes, logs


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Settings of the guard beside those of the gate; times in seconds."""

    host: str
    gate: GateSettings = field(default_factory=GateSettings)
    scan_timeout_s: float = 600.0
    beat_s: float = 1.0
    cache_entries: int = 100_000


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
        self._zones = tuple(zones)
        self._workers = workers
        self._decider = decider
        self._settings = settings
        self._link = link
        self._quarantine = quarantine
        self._readers = readers
        self._desk = desk
        self._zone_by_device = {zone.device: zone.zone for zone in zones}
        self._answers = fanotify.Answers(link.group)
        self._cache = VerdictCache(settings.cache_entries)
        self._gate = Gate(_within_descriptors(settings.gate), self._cache)
        self._tids: dict[int, int] = {}
        self._custodies: dict[int, Custody] = {}
        self._transfers: dict[int, Transfer] = {}
        self._asked: dict[int, str] = {}
        self._repeats = Repeats()
        self._counts: Counter[str] = Counter()
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._worker_fds: set[int] = set()
        self._older: tuple[census.OpenFile, ...] = ()
        self._holder_fd: int | None = None
        self._running = False
        self.disarmed = False
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._next_beat = 0.0
        self._patience_s = 0.0

    # -- life --------------------------------------------------------------------------------

    def arm(self) -> None:
        """Mark the zones' filesystems; from here on every open waits for this guard.

        What other processes have open there is read afterwards, so that nothing is missed
        in between.
        """
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # a writer that meets our lease sends it
        for zone in self._zones:
            fanotify.mark(self._link.group, zone.directory)
        devices = {zone.device for zone in self._zones}
        self._older = tuple(census.open_files(devices, census.own_pids()))
        self._gate.inherit(
            (f.inode for f in self._older if f.reads), (f.inode for f in self._older if f.writes)
        )

    def run(self) -> None:
        """Answer until :meth:`stop`; the filesystems stay marked and the holder stays."""
        self.add_reader(self._link.group, self._read_events)
        self.add_reader(self._decider.fileno(), self._collect_decisions)
        self.add_reader(self._wake_read, self._woken)
        self._sync_workers()
        self._sync_holder()
        self._running = True
        while self._running:
            self._turn()
        self._record_repeats(math.inf)

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal's handler or another thread."""
        self._running = False
        os.write(self._wake_write, b".")

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` from the loop whenever ``fd`` is readable; it must not block."""
        self._callbacks[fd] = callback
        self._poll.register(fd, select.EPOLLIN)

    def remove_reader(self, fd: int) -> None:
        """Undo :meth:`add_reader`."""
        del self._callbacks[fd]
        with suppress(OSError):  # closed already
            self._poll.unregister(fd)

    def snapshot(self) -> Snapshot:
        """The guard as it is now."""
        reasons = self._link.weaknesses()
        marked = fanotify.marks(self._link.group)
        blind = marked < len({zone.device for zone in self._zones})
        state = GuardState.DEGRADED if reasons else GuardState.ENFORCING
        return Snapshot(
            zones=tuple(zone.path for zone in self._zones),
            state=GuardState.BLIND if blind else state,
            reasons=(*reasons, *(["a zone's filesystem lost its mark"] if blind else [])),
            pending=self._gate.pending,
            counts=dict(self._counts),
            older_than_mark=self._older,
        )

    def forget_decisions(self) -> None:
        """An operator decided, or the policy changed: ask again at the next open."""
        self._cache.forget_decisions()

    def _turn(self) -> None:
        for fd, _ in self._poll.poll(self._patience_s):
            if fd in self._callbacks:  # a callback before it may have removed it
                self._callbacks[fd]()
        now = time.monotonic()
        if self._gate.pending:
            self._do(self._gate.tick(now))
        if now >= self._next_beat:
            self._next_beat = now + self._settings.beat_s
            self._link.beat()
            self._record_repeats(now)
            self._sync_holder()
            self._sync_workers()
        wake = self._gate.wake_in(now)
        self._patience_s = (
            self._settings.beat_s if wake is None else min(wake, self._settings.beat_s)
        )

    def _record_repeats(self, now: float) -> None:
        for receipt in self._repeats.due(now):
            self._decider.record(receipt)

    def _woken(self) -> None:
        os.read(self._wake_read, 64)

    def _hear_holder(self) -> None:
        if self._link.hear():
            self.disarmed = True
            self._running = False
        self._sync_holder()

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
            self.add_reader(fd, self._collect_reports)
        self._worker_fds = wanted

    # -- events of the kernel ----------------------------------------------------------------

    def _read_events(self) -> None:
        for mask, fd, tid in fanotify.events(self._answers.read()):
            if mask & fanotify.OPEN_PERM:
                self._opened(fd, tid)
            else:
                self._closed(fd, wrote=bool(mask & fanotify.CLOSE_WRITE))

    def _opened(self, fd: int, tid: int) -> None:
        sealed = seal(fd)
        status = os.fstat(fd)
        if sealed and self._gate.judged(status, tid, time.time()):
            self._pass(fd)
        elif not stat.S_ISREG(status.st_mode):
            self._pass(fd)  # a FIFO, socket or device: it has no bytes in the filesystem
        elif self._desk is not None and self._desk.wants(tid):
            self._hand_to_desk(self._desk, fd, tid)
        else:
            self._tids[fd] = tid
            access = None if sealed else pending_access(tid)
            if not self._admit_reader(fd, tid, status, access):
                opening = Opening(fd, tid, identity_of(status), access)
                self._do(self._gate.opened(opening, time.monotonic(), datetime.now(UTC)))

    def _hand_to_desk(self, desk: ReleaseDesk, fd: int, tid: int) -> None:
        """Give the file to the release desk; its lease would keep writers out, so it goes."""
        unseal(fd)
        desk.take(os.dup(fd), tid)
        self._answers.deny(fd, errno.EBUSY)
        os.close(fd)

    def _admit_reader(
        self, fd: int, tid: int, status: os.stat_result, access: Access | None
    ) -> bool:
        """Let in a reader that its zone's settings name, whatever the file holds."""
        if self._readers is None or (access is not None and access.writes):
            return False
        name = self._readers.admits(self._zone_of(status.st_dev), tid)
        if name is None:
            return False
        rule = f"reader:{name}"
        self._settle(Settle(fd, Decision(Verdict.ALLOW, rule=rule, message=rule)))
        return True

    def _closed(self, fd: int, *, wrote: bool) -> None:
        try:
            sole = is_sole(fd, keep=not wrote)  # closing gives the lease back
            quiet = sole or (wrote and seal(fd))
            status = os.fstat(fd)
            self._do(self._gate.closed((status.st_dev, status.st_ino), sole=sole, quiet=quiet))
            if wrote and quiet and stat.S_ISREG(status.st_mode):
                self._do(self._gate.written(fd, identity_of(status)))
        finally:
            os.close(fd)

    # -- events of workers and decider -------------------------------------------------------

    def _collect_reports(self) -> None:
        for job, report in self._workers.collect():
            custody = self._custodies.get(job)
            if custody is not None:
                self._do(self._gate.scanned(job, report, unchanged=custody.unchanged()))
        self._sync_workers()

    def _collect_decisions(self) -> None:
        for ask, decision in self._decider.collect():
            self._do(self._gate.decided(ask, decision, self._asked.pop(ask, "")))

    # -- commands of the gate ----------------------------------------------------------------

    def _do(self, wanted: Sequence[Command]) -> None:
        for command in wanted:
            match command:
                case Pass(number):
                    self._tids.pop(number, None)
                    self._pass(number)
                case Settle():
                    self._settle(command)
                case Take(job, number):
                    identity = identity_of(os.fstat(number))
                    self._custodies[job] = Custody(number, identity, path_of(number))
                case Scan(job, sealed):
                    self._scan(job, sealed=sealed)
                case Ask(ask, number, report):
                    transfer = self._transfer(number)
                    self._transfers[number] = transfer
                    self._asked[ask] = transfer.transfer_id
                    self._decider.request(ask, transfer, report)
                case Examine(number, admitted):
                    self._examine(number, admitted)
                case Drop(job, cancel):
                    self._drop(job, cancel=cancel)

    def _pass(self, fd: int) -> None:
        self._answers.allow(fd)
        os.close(fd)
        self._counts["passed"] += 1

    def _scan(self, job: int, *, sealed: bool) -> None:
        custody = self._custodies[job]
        if sealed and not seal(custody.fd):
            self._do(self._gate.scanned(job, None, unchanged=False))
            return
        zone = self._zone_of(custody.identity.device)
        self._workers.submit(
            job, custody.fd, custody.path, self._settings.scan_timeout_s, zone=zone.name
        )

    def _drop(self, job: int, *, cancel: bool) -> None:
        if cancel:
            self._workers.cancel(job)
        self._custodies.pop(job).close()

    def _examine(self, number: int, admitted: frozenset[int]) -> None:
        if number not in self._tids:
            return
        waiting = set(self._tids.values())
        status = os.fstat(number)
        read = written = any(may_be_opening(tid) for tid in admitted - waiting)
        if not read:
            read, written = census.users_of((status.st_dev, status.st_ino), census.own_pids())
        self._do(
            self._gate.examined(
                number,
                identity_of(os.fstat(number)),
                read=read,
                written=written,
                now=time.monotonic(),
                today=datetime.now(UTC),
            )
        )

    def _transfer(self, number: int) -> Transfer:
        status = os.fstat(number)
        return new_transfer(
            zone=self._zone_of(status.st_dev),
            host=self._settings.host,
            path=path_of(number),
            identity=identity_of(status),
            opener=frozen_opener(self._tids[number]),
        )

    # -- answers -----------------------------------------------------------------------------

    def _settle(self, command: Settle) -> None:
        fd, decision = command.number, command.decision
        transfer = self._transfers.pop(fd, None)
        status = os.fstat(fd)
        if decision.verdict is Verdict.ALLOW and transfer and not _same(transfer, status):
            decision = hold(HoldReason.CHANGED)
        transfer = transfer or self._transfer(fd)
        code = errno_of(decision)
        if code == 0:
            self._answers.allow(fd)
        else:
            self._answers.deny(fd, code)
            code = code if self._answers.errno_answers else errno.EPERM
        receipt = receipt_of(transfer, decision, code, command.transfer_id)
        if decision.verdict is Verdict.QUARANTINE and self._quarantine is not None:
            receipt = self._quarantine.enforce(fd, receipt, command.report)
        os.close(fd)
        self._tids.pop(fd, None)
        self._counts[receipt.enforcement.value] += 1
        self._record(receipt, (status.st_dev, status.st_ino))

    def _record(self, receipt: Receipt, inode: Inode) -> None:
        """Record a receipt; refusals that repeat are counted first."""
        if receipt.enforcement is not Enforcement.DENIED:
            self._decider.record(receipt)
            return
        for due in self._repeats.refused(inode, receipt, time.monotonic()):
            self._decider.record(due)

    def _zone_of(self, device: int) -> Zone:
        """The zone of a file; one on a device of no zone (a subvolume) gets the strictest."""
        zone = self._zone_by_device.get(device)
        return zone or max((z.zone for z in self._zones), key=lambda z: z.signing)


def _same(transfer: Transfer, status: os.stat_result) -> bool:
    return transfer.identity == identity_of(status)


def _within_descriptors(settings: GateSettings) -> GateSettings:
    """The settings with no more pending opens than there are descriptors for.

    A pending open costs its event and a custody; a backlog and the process need the rest.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = (limit - settings.backlog_limit - _DESCRIPTORS_OF_OUR_OWN) // 2
    return replace(settings, pending_limit=max(1, min(settings.pending_limit, room)))
