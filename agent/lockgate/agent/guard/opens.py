"""From the kernel's event to the answer: events go to the gate, the gate's commands are done.

Rules enforced here:

1. A judged file costs a lease, an fstat(2), a look into the cache, an answer and a close.
   Everything else is read only for misses and denials.
2. Every event is answered. An error that nobody foresaw ends the process, and the holder
   refuses what was pending; the guard never goes on with an event it lost.
3. The answer is written before the descriptor is closed; records follow the answer.
4. The identity is compared once more right before an ALLOW that took time.
5. Running out of descriptors refuses opens and gives back what is held without need.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lockgate.agent.guard import census, fanotify
from lockgate.agent.guard.access import Access, may_be_opening, pending_access
from lockgate.agent.guard.backlog import Backlog
from lockgate.agent.guard.births import Births
from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.clock import ending_of, seconds
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
from lockgate.agent.guard.custody import Custody, identity_of, is_sole, seal, unseal
from lockgate.agent.guard.doubts import Doubts
from lockgate.agent.guard.errnos import errno_of
from lockgate.agent.guard.gate import Gate
from lockgate.agent.guard.opener import frozen_opener, path_of
from lockgate.agent.guard.receipts import Receipts
from lockgate.agent.guard.statx import birth_of
from lockgate.agent.ports import Decider, Readers, ReleaseDesk, Workers
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.wire.transfer import (
    Decision,
    HoldReason,
    Transfer,
    Verdict,
    Zone,
    hold,
)

#: Who uses the files of a device; None: it cannot be said, so all of them may be in use.
Looks = dict[Inode, census.Users] | None

#: An opener that is answered often opens again at once: reading is cheaper than waiting. The
#: bound lets workers, decider and time have their turn.
_READS_IN_A_ROW = 16

_OPENS = fanotify.OPEN_PERM | fanotify.OPEN_EXEC_PERM
_NOBODY = census.Users()
_SOMEBODY = census.Users(read=True, written=True)
_READS = Access(reads=True, writes=False, truncates=False)


class ZonesByDevice:
    """Which zone a file belongs to."""

    def __init__(self, zones: Mapping[int, Zone]) -> None:
        self._zones = dict(zones)
        self._strictest = max(zones.values(), key=lambda zone: zone.signing)

    def __getitem__(self, device: int) -> Zone:
        """The zone of a device; one of no zone (a subvolume) belongs to the strictest."""
        return self._zones.get(device, self._strictest)


class Opens:
    """The pending opens of the guarded filesystems, as the kernel sees them."""

    def __init__(
        self,
        gate: Gate,
        answers: fanotify.Answers,
        zones: ZonesByDevice,
        workers: Workers,
        decider: Decider,
        receipts: Receipts,
        backlog: Backlog,
        *,
        host: str,
        scan_timeout_s: float,
        readers: Readers | None = None,
        desk: ReleaseDesk | None = None,
    ) -> None:
        self._gate = gate
        self._answers = answers
        self._zones = zones
        self._workers = workers
        self._decider = decider
        self._receipts = receipts
        self._backlog = backlog
        self._host = host
        self._scan_timeout_s = scan_timeout_s
        self._readers = readers
        self._desk = desk
        self._doubts = Doubts()
        self._births = Births()
        self._tids: dict[int, int] = {}
        self._custodies: dict[int, Custody] = {}
        self._transfers: dict[int, Transfer] = {}
        self._asked: dict[int, str] = {}
        self._passed = 0
        self._settled: Counter[str] = Counter()
        #: The thread that looks for files to judge when idle; its opens are never let in.
        self.walker = -1
        #: When the last event came that was not the walker's.
        self.last_event = seconds()

    def counts(self) -> dict[str, int]:
        """How many opens passed on what was known, and what was done about the others."""
        return {"passed": self._passed, **self._settled}

    # -- events of the kernel ----------------------------------------------------------------

    def read_events(self) -> None:
        """What the kernel tells now, and what came while that was answered."""
        raw = self._answers.read()
        if not raw:  # readable, and yet not read: no descriptor for the event
            self._give_back()
        for _ in range(_READS_IN_A_ROW):
            if not raw:
                break
            self._answer_events(raw)
            raw = self._answers.read()
        else:
            self._answer_events(raw)

    def _answer_events(self, raw: bytes) -> None:
        now = seconds()
        judged, allow = self._gate.judged, self._answers.allow
        for mask, fd, tid in fanotify.events(raw):
            if tid != self.walker:
                self.last_event = now
            if mask & fanotify.PERMISSION:
                sealed = seal(fd)
                status = os.fstat(fd)
                if sealed and judged(status, tid, now, opens=mask & _OPENS > 0):
                    allow(fd)
                    os.close(fd)
                    self._passed += 1
                else:
                    self._opened(fd, tid, status, mask, now, sealed=sealed)
            else:
                self._closed(fd, mask)

    def _opened(
        self, fd: int, tid: int, status: os.stat_result, mask: int, now: float, *, sealed: bool
    ) -> None:
        """An open or read that the short way does not settle."""
        if not stat.S_ISREG(status.st_mode):
            self._pass(fd)  # a FIFO, socket or device: it has no bytes in the filesystem
            return
        reading = not mask & _OPENS
        access = None if sealed else _READS if reading else pending_access(tid)
        inode = (status.st_dev, status.st_ino)
        if self._births.is_another(inode, birth_of(fd)):
            self.do(self._gate.vacated(inode))
        if access and status.st_size == 0 and self._gate.created(inode, tid, access):
            self._pass(fd)
        elif tid == self.walker:
            self._found_by_walker(fd, status)
        elif self._desk is not None and self._desk.wants(tid):
            self._hand_to_desk(self._desk, fd, tid)
        else:
            self._tids[fd] = tid
            if not self._admit_reader(fd, tid, status, access, reading=reading):
                opening = Opening(fd, tid, identity_of(status), access, opens=not reading)
                self.do(self._gate.opened(opening, now))

    def _found_by_walker(self, fd: int, status: os.stat_result) -> None:
        self._answers.deny(fd, errno.EAGAIN)
        unseal(fd)
        if not self._backlog.offer(fd, status):
            os.close(fd)

    def _hand_to_desk(self, desk: ReleaseDesk, fd: int, tid: int) -> None:
        """Give the file to the release desk; its lease would keep writers out, so it goes."""
        unseal(fd)
        try:
            desk.take(os.dup(fd), tid)
        except OSError:  # no descriptor left: the desk is told by the refusal
            self._give_back()
        self._answers.deny(fd, errno.EBUSY)
        os.close(fd)

    def _admit_reader(
        self, fd: int, tid: int, status: os.stat_result, access: Access | None, *, reading: bool
    ) -> bool:
        """Let in a reader that its zone's settings name, whatever the file holds."""
        if self._readers is None or (access is not None and access.writes):
            return False
        name = self._readers.admits(self._zones[status.st_dev], tid)
        if name is None:
            return False
        if reading:  # its open has a receipt
            del self._tids[fd]
            self._pass(fd)
        else:
            self._gate.named((status.st_dev, status.st_ino))
            rule = f"reader:{name}"
            self._settle(Settle(fd, Decision(Verdict.ALLOW, rule=rule, message=rule)))
        return True

    def _closed(self, fd: int, mask: int) -> None:
        wrote = bool(mask & fanotify.CLOSE_WRITE)
        sole = is_sole(fd, keep=not wrote)  # closing gives the lease back
        quiet = sole or (wrote and seal(fd))
        status = os.fstat(fd)
        inode = (status.st_dev, status.st_ino)
        if sole:
            commands = self._gate.vacated(inode)
        else:
            read = bool(mask & fanotify.CLOSE_NOWRITE)
            commands = self._gate.closed(inode, read=read, wrote=wrote, quiet=quiet)
        if commands:
            self.do(commands)
        if not (wrote and quiet and self._backlog.offer(fd, status)):
            os.close(fd)

    # -- events of workers, decider and time -------------------------------------------------

    def collect_reports(self) -> None:
        """Scans that ended."""
        for job, report in self._workers.collect():
            custody = self._custodies.get(job)
            if custody is not None:
                self.do(self._gate.scanned(job, report, unchanged=custody.unchanged()))

    def collect_decisions(self) -> None:
        """Decisions that came."""
        for ask, decision in self._decider.collect():
            transfer_id = self._asked.pop(ask, "")
            until = ending_of(decision, datetime.now(UTC))
            self.do(self._gate.decided(ask, decision, transfer_id, until=until))

    def tick(self, now: float) -> None:
        """Time went by."""
        if self._gate.pending:
            self.do(self._gate.tick(now))
        for inode in self._doubts.settle(now):
            self.do(self._gate.vacated(inode))

    @property
    def waits(self) -> bool:
        """Whether :meth:`tick` has anything to do, now or later."""
        return self._gate.waits or bool(self._doubts)

    def wake_in(self, now: float) -> float | None:
        """Seconds until :meth:`tick` has something to do; None: it has not."""
        wakes = (self._gate.wake_in(now), self._doubts.wake_in())
        return min((wake for wake in wakes if wake is not None), default=None)

    def _give_back(self) -> None:
        """No descriptor is left: give back those that nobody waits for."""
        self._backlog.shrink()
        self._doubts.shrink()

    # -- commands of the gate ----------------------------------------------------------------

    def do(self, wanted: Sequence[Command]) -> None:
        """Do what the gate wants, in order."""
        looks: dict[int, Looks] = {}
        for command in wanted:
            match command:
                case Pass(number):
                    self._tids.pop(number, None)
                    self._pass(number)
                case Settle():
                    self._settle(command)
                case Ask():
                    self._ask(command)
                case Examine(number, admitted):
                    self._examine(number, admitted, looks)
                case Doubt(number):
                    self._doubt(number)
                case _:
                    self._judge(command)

    def _judge(self, command: Take | Scan | Hasten | Drop | Defer) -> None:
        match command:
            case Take(job, number):
                self._take(job, number)
            case Scan():
                self._scan(command)
            case Drop(job, cancel):
                self._drop(job, cancel=cancel)
            case Hasten(job):
                self._workers.hasten(job)
            case Defer(number):
                self._backlog.put_first(number)

    def _pass(self, fd: int) -> None:
        self._answers.allow(fd)
        os.close(fd)
        self._passed += 1

    def _doubt(self, number: int) -> None:
        """Ask the kernel about a file, and keep nothing of it open that would answer for others."""
        status = os.fstat(number)
        self._backlog.discard((status.st_dev, status.st_ino))
        self._doubts.add(number, seconds())

    def ask_who_is_left(self, fd: int) -> None:
        """Before ``fd`` of ours is closed: it may have hidden that nobody else has the file.

        A count that is too high would else outlive the file, and meet the next one that the
        filesystem gives the same number.
        """
        status = os.fstat(fd)
        inode = (status.st_dev, status.st_ino)
        if self._gate.has_admitted(inode) and is_sole(fd):
            self.do(self._gate.vacated(inode))

    def _take(self, job: int, number: int) -> None:
        status = os.fstat(number)
        self._backlog.discard((status.st_dev, status.st_ino))
        try:
            self._custodies[job] = Custody(number, identity_of(status), path_of(number))
        except OSError:  # no descriptor left
            self._give_back()
            self.do(self._gate.unscannable(job, HoldReason.OVERLOAD))

    def _scan(self, command: Scan) -> None:
        custody = self._custodies.get(command.job)
        if custody is None:
            return
        if command.sealed and not seal(custody.fd):
            self.do(self._gate.unscannable(command.job, HoldReason.LIVE_WRITER))
            return
        self._workers.submit(
            command.job,
            custody.fd,
            custody.path,
            self._scan_timeout_s,
            zone=self._zones[custody.identity.device].name,
            background=command.background,
        )

    def _ask(self, command: Ask) -> None:
        transfer = self._transfers[command.number] = self._transfer(command.number)
        self._asked[command.ask] = transfer.transfer_id
        self._decider.request(command.ask, transfer, command.report)

    def _drop(self, job: int, *, cancel: bool) -> None:
        if cancel:
            self._workers.cancel(job)
        custody = self._custodies.pop(job, None)
        if custody is not None:
            self.ask_who_is_left(custody.fd)
            custody.close()

    def _examine(self, number: int, admitted: frozenset[int], looks: dict[int, Looks]) -> None:
        """Look for the users of a parked writer's file; one look serves all that wait now."""
        if number not in self._tids:
            return
        status = os.fstat(number)
        device, inode = status.st_dev, (status.st_dev, status.st_ino)
        used = _SOMEBODY
        if not any(map(may_be_opening, admitted.difference(self._tids.values()))):
            if device not in looks:
                looks[device] = self._look(device)
            look = looks[device]
            used = _SOMEBODY if look is None else look.get(inode, _NOBODY)
        identity = identity_of(os.fstat(number))
        now = seconds()
        self.do(
            self._gate.examined(number, identity, read=used.read, written=used.written, now=now)
        )

    def _look(self, device: int) -> Looks:
        """Who uses files of a device; None: it cannot be said."""
        zone = self._zones[device]

        def is_let_in(pid: int) -> bool:
            return pid in own or bool(self._readers and self._readers.admits(zone, pid))

        try:
            own = census.own_pids()
            return census.users(device, is_let_in)
        except OSError:
            self._give_back()
            return None

    # -- answers -----------------------------------------------------------------------------

    def _transfer(self, number: int) -> Transfer:
        status = os.fstat(number)
        return new_transfer(
            zone=self._zones[status.st_dev],
            host=self._host,
            path=path_of(number),
            identity=identity_of(status),
            opener=frozen_opener(self._tids[number]),
        )

    def _settle(self, command: Settle) -> None:
        fd, decision = command.number, command.decision
        asked = self._transfers.pop(fd, None)
        status = os.fstat(fd)
        if decision.verdict is Verdict.ALLOW and asked and asked.identity != identity_of(status):
            decision = hold(HoldReason.CHANGED)
        transfer = asked or self._transfer(fd)
        code = self._answer(fd, decision)
        receipt = receipt_of(transfer, decision, code, command.transfer_id)
        receipt = self._receipts.enforced(fd, receipt, command.report)
        os.close(fd)
        self._tids.pop(fd, None)
        self._settled[receipt.enforcement.value] += 1
        self._receipts.record(receipt, (status.st_dev, status.st_ino), seconds())

    def _answer(self, fd: int, decision: Decision) -> int:
        """Answer the kernel; the errno that the opener really gets."""
        code = errno_of(decision)
        if code == 0:
            self._answers.allow(fd)
            return 0
        self._answers.deny(fd, code)
        return code if self._answers.errno_answers else errno.EPERM
