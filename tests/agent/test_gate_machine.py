"""What must hold whatever the order: a small kernel around the gate, with files that turn dirty."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lockgate.agent.guard.access import UNKNOWN, Access
from lockgate.agent.guard.cache import VerdictCache
from lockgate.agent.guard.commands import (
    Ask,
    Command,
    Defer,
    Doubt,
    Drop,
    Examine,
    Opening,
    Pass,
    Scan,
    Settle,
    Take,
)
from lockgate.agent.guard.gate import Gate, GateSettings
from lockgate.scan.report import EngineInfo, Gap, GapReason, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict

DEADLINE_S = 5.0
ENGINE = EngineInfo("test", "pack", "standard", ())
CLEAN = Report("f", "00", 9, (), (), 9, 0.0, ENGINE)
LOST = replace(CLEAN, gaps=(Gap(GapReason.WORKER_LOST),))
DIRTY = replace(CLEAN, sha256="ff")
WRITES = Access(reads=False, writes=True, truncates=False)
READS = Access(reads=True, writes=False, truncates=False)
BOTH = Access(reads=True, writes=True, truncates=False)


@dataclass
class _File:
    """What really is open, and what the file really holds."""

    inode: int
    size: int = 9
    changes: int = 0
    dirty: bool = False
    readers: set[int] = field(default_factory=set)
    writers: set[int] = field(default_factory=set)
    trusted: set[int] = field(default_factory=set)
    waiting: dict[int, Access] = field(default_factory=dict)
    reading: set[int] = field(default_factory=set)
    #: Of those above, what /proc does not show: in flight, or a fixed file of an io_uring.
    hidden: set[int] = field(default_factory=set)

    @property
    def identity(self) -> FileIdentity:
        return FileIdentity(1, self.inode, self.size, self.changes, self.changes)

    @property
    def status(self) -> os.stat_result:
        times = {"st_mtime_ns": self.changes, "st_ctime_ns": self.changes}
        return os.stat_result([0, self.inode, 1, 0, 0, 0, self.size, 0, 0, 0], times)

    @property
    def leasable(self) -> bool:
        """Whether the kernel grants a read lease now."""
        return not self.writers and not any(access.writes for access in self.waiting.values())

    @property
    def sole(self) -> bool:
        """Whether nobody has it open or is about to."""
        return self.leasable and not (self.readers or self.trusted or self.waiting or self.reading)


class GateMachine(RuleBasedStateMachine):
    """Files, processes, leases, workers and a decider that behave as measured."""

    def __init__(self) -> None:
        super().__init__()
        settings = GateSettings(deadline_s=DEADLINE_S, writer_wait_s=1, pending_limit=6)
        self.expected_s = 0.0
        self.gate = Gate(settings, VerdictCache(), lambda identity, job: self.expected_s)
        self.files = {1: _File(1), 2: _File(2, size=0)}
        self.file_of: dict[int, _File] = {}
        self.taken: dict[int, tuple[_File, FileIdentity]] = {}
        self.scans: list[int] = []
        self.asks: dict[int, Report] = {}
        self.backlog: list[_File] = []
        self.doubts: list[_File] = []
        self.numbers = 10
        self.now = 0.0
        self.since: dict[int, float] = {}

    @initialize(dirty=st.booleans())
    def what_is_there(self, dirty: bool) -> None:
        """The first file may be dirty from the start."""
        self.files[1].dirty = dirty

    @rule(inode=st.sampled_from([1, 2]), access=st.sampled_from([READS, WRITES, BOTH, UNKNOWN]))
    def open(self, inode: int, access: Access) -> None:
        """A process opens a file."""
        file = self.files[inode]
        number = self.event(file)
        sealed = file.leasable and not access.writes
        file.waiting[number] = access
        if sealed:
            passes = self.gate.judged(file.status, number, self.now)
        else:
            passes = not file.size and self.gate.created((1, inode), number, access)
        self.arrive(number, None if sealed else access, passes=passes)

    @rule(inode=st.sampled_from([1, 2]))
    def open_as_named_reader(self, inode: int) -> None:
        """A reader that the zone's settings name comes in without the gate."""
        file = self.files[inode]
        file.trusted.add(self.event(file))
        self.gate.named((1, inode))

    @rule(data=st.data())
    @precondition(lambda self: self.opened())
    def read_in_a_strict_zone(self, data: st.DataObject) -> None:
        """A process reads what it has open."""
        file = self.file_of[data.draw(st.sampled_from(self.opened()))]
        number = self.event(file)
        file.reading.add(number)
        sealed = file.leasable
        passes = sealed and self.gate.judged(file.status, number, self.now, opens=False)
        self.arrive(number, None if sealed else READS, passes=passes, opens=False)

    @rule(data=st.data())
    @precondition(lambda self: self.opened())
    def hide(self, data: st.DataObject) -> None:
        """A process puts a descriptor where its table does not show it."""
        number = data.draw(st.sampled_from(self.opened()))
        self.file_of[number].hidden.add(number)

    @rule(data=st.data(), dirty=st.booleans())
    @precondition(lambda self: any(file.writers for file in self.files.values()))
    def write(self, data: st.DataObject, dirty: bool) -> None:
        """A writer writes, while it has the file open."""
        file = data.draw(st.sampled_from([f for f in self.files.values() if f.writers]))
        file.size, file.changes, file.dirty = 9, file.changes + 1, dirty

    @rule(data=st.data(), good=st.booleans())
    @precondition(lambda self: self.scans)
    def finish_scan(self, data: st.DataObject, good: bool) -> None:
        """A worker reports what the file holds."""
        job = data.draw(st.sampled_from(self.scans))
        self.scans.remove(job)
        file, identity = self.taken[job]
        report = (DIRTY if file.dirty else CLEAN) if good else LOST
        self.do(self.gate.scanned(job, report, unchanged=file.identity == identity))

    @rule(data=st.data(), independent=st.booleans())
    @precondition(lambda self: self.asks)
    def decide(self, data: st.DataObject, independent: bool) -> None:
        """A decision comes."""
        ask = data.draw(st.sampled_from(sorted(self.asks)))
        verdict = Verdict.BLOCK if self.asks.pop(ask) == DIRTY else Verdict.ALLOW
        decision = Decision(verdict, policy_digest="p", opener_independent=independent)
        self.do(self.gate.decided(ask, decision, until=self.now + 60))

    @rule(data=st.data(), merged=st.booleans())
    @precondition(lambda self: self.opened())
    def close(self, data: st.DataObject, merged: bool) -> None:
        """A process closes a file; the kernel may merge the event with another one."""
        number = data.draw(st.sampled_from(self.opened()))
        file = self.file_of[number]
        wrote = number in file.writers
        for open_ones in (file.readers, file.writers, file.trusted, file.hidden):
            open_ones.discard(number)
        if not merged:
            self.tell_close(file, number, wrote=wrote)

    def tell_close(self, file: _File, number: int, *, wrote: bool) -> None:
        """What the guard does about the event."""
        quiet = wrote and file.leasable
        if file.sole:
            self.do(self.gate.vacated((1, file.inode)))
        else:
            inode = (1, file.inode)
            self.do(self.gate.closed(inode, read=not wrote, wrote=wrote, quiet=quiet))
        if wrote and (file.sole or quiet):
            self.backlog.append(file)

    @rule()
    @precondition(lambda self: self.doubts)
    def ask_the_kernel(self) -> None:
        """The kernel grants a write lease to the only one who has a file open."""
        file = self.doubts.pop(0)
        if file.sole:
            self.do(self.gate.vacated((1, file.inode)))

    @rule()
    @precondition(lambda self: self.backlog)
    def idle(self) -> None:
        """There is time for a file that was written."""
        file = self.backlog.pop(0)
        self.do(self.gate.idle(self.event(file), file.identity))

    @rule(seconds=st.floats(0.01, 3), expected_s=st.sampled_from([0.0, 2.0, 60.0]))
    def wait(self, seconds: float, expected_s: float) -> None:
        """Time goes by, and what scans are expected to take changes."""
        self.now += seconds
        self.expected_s = expected_s
        self.do(self.gate.tick(self.now))

    def arrive(
        self, number: int, access: Access | None, *, passes: bool, opens: bool = True
    ) -> None:
        """An open passes the short way, or goes the long one."""
        if passes:
            self.enter(number)
        else:
            file = self.file_of[number]
            opening = Opening(number, number, file.identity, access, opens)
            self.do(self.gate.opened(opening, self.now))

    def event(self, file: _File) -> int:
        """A new descriptor of a file."""
        self.numbers += 1
        self.file_of[self.numbers] = file
        self.since[self.numbers] = self.now
        return self.numbers

    def opened(self) -> list[int]:
        """Descriptors that processes have."""
        return sorted(
            n for file in self.files.values() for n in file.readers | file.writers | file.trusted
        )

    def enter(self, number: int) -> None:
        """The kernel lets an opener, or a read, go on."""
        file = self.file_of[number]
        if number in file.reading:
            file.reading.remove(number)
            assert not file.dirty
            assert not file.writers
            return
        access = file.waiting.pop(number)
        assert not (access.reads and file.dirty and file.size)
        if access.reads:
            file.readers.add(number)
        if access.writes:
            file.writers.add(number)

    def refuse(self, number: int) -> None:
        """The kernel gives an opener its error."""
        file = self.file_of[number]
        file.reading.discard(number)
        file.waiting.pop(number, None)

    def do(self, commands: list[Command]) -> None:
        """Do what the guard would do."""
        for command in commands:
            match command:
                case Pass(number) | Settle(number, Decision(verdict=Verdict.ALLOW)):
                    self.enter(number)
                case Settle(number):
                    self.refuse(number)
                case Examine(number):
                    self.examine(number)
                case Ask(ask, _, report):
                    self.asks[ask] = report
                case Defer(number):
                    self.backlog.insert(0, self.file_of[number])
                case Doubt(number):
                    self.doubts.append(self.file_of[number])
                case _:
                    self.judge(command)

    def judge(self, command: Command) -> None:
        """Take a file, have it scanned, and give it back."""
        match command:
            case Take(job, number):
                self.taken[job] = (self.file_of[number], self.file_of[number].identity)
            case Scan(job, sealed):
                self.scan(job, sealed=sealed)
            case Drop(job, cancel) if cancel and job in self.scans:
                self.scans.remove(job)

    def scan(self, job: int, *, sealed: bool) -> None:
        """Hand a file to a worker, if the lease is granted."""
        if sealed and not self.taken[job][0].leasable:
            self.do(self.gate.unscannable(job, HoldReason.LIVE_WRITER))
        else:
            self.scans.append(job)

    def examine(self, number: int) -> None:
        """Look through /proc."""
        file = self.file_of[number]
        commands = self.gate.examined(
            number,
            file.identity,
            read=bool(file.readers - file.hidden),
            written=bool(file.writers - file.hidden),
            now=self.now,
        )
        self.do(commands)

    @invariant()
    def no_writer_beside_another_reader(self) -> None:
        """Whoever reads is alone with what it reads, unless nobody writes."""
        for file in self.files.values():
            for writer in file.writers:
                assert file.readers <= {writer}

    @invariant()
    def nobody_has_dirty_bytes(self) -> None:
        """Whoever only reads, has a clean file."""
        for file in self.files.values():
            assert not (file.dirty and file.readers - file.writers)

    @invariant()
    def nobody_waits_beyond_the_deadline(self) -> None:
        """Right after a tick every open that is older than the deadline is answered."""
        self.do(self.gate.tick(self.now))
        waiting = [n for f in self.files.values() for n in (*f.waiting, *f.reading)]
        assert all(self.now < self.since[number] + DEADLINE_S for number in waiting)
        assert len(waiting) == self.gate.pending

    @invariant()
    def every_scan_belongs_to_a_judgement(self) -> None:
        """What runs at the workers is known to the gate, so that nothing runs for ever."""
        for job in self.scans:
            known = self.gate.job_of((1, self.taken[job][0].inode))
            assert known is not None
            assert known.number == job


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = hypothesis_settings(max_examples=200, stateful_step_count=40)
