"""The gate as a conversation: opens in, answers out, and what must hold in any order."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lockgate.agent.guard.access import UNKNOWN, Access
from lockgate.agent.guard.cache import VerdictCache
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
from lockgate.agent.guard.gate import Gate, GateSettings
from lockgate.scan.report import EngineInfo, Gap, GapReason, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict, hold

TODAY = datetime(2026, 1, 1, tzinfo=UTC)
ENGINE = EngineInfo("test", "pack", "standard", ())
CLEAN = Report("f", "00", 9, (), (), 9, 0.0, ENGINE)
LOST = replace(CLEAN, gaps=(Gap(GapReason.WORKER_LOST),))
ALLOW = Decision(
    Verdict.ALLOW,
    policy_digest="p",
    opener_independent=True,
    cache_until=TODAY + timedelta(hours=1),
)
BLOCK = Decision(Verdict.BLOCK, policy_digest="p", opener_independent=True)
WRITES = Access(reads=False, writes=True, truncates=False)
READS = Access(reads=True, writes=False, truncates=False)
BOTH = Access(reads=True, writes=True, truncates=False)


def identity(inode: int = 1, size: int = 9, mtime: int = 0) -> FileIdentity:
    """A file's identity."""
    return FileIdentity(1, inode, size, mtime, mtime)


def opening(number: int, access: Access | None = None, file: FileIdentity | None = None) -> Opening:
    """A pending open."""
    return Opening(number, number, file or identity(), access)


@pytest.fixture
def gate() -> Gate:
    """A gate with three places."""
    return Gate(GateSettings(deadline_s=20, writer_wait_s=1, pending_limit=3), VerdictCache())


def first(commands: list[Command], kind: type) -> Command:
    """The first command of a kind."""
    return next(command for command in commands if isinstance(command, kind))


def passes(gate: Gate, file: FileIdentity, tid: int, today: datetime = TODAY) -> bool:
    """Whether a sealed open passes the short way."""
    whole = [0] * 10
    whole[1], whole[2], whole[6] = file.inode, file.device, file.size
    times = {"st_mtime_ns": file.mtime_ns, "st_ctime_ns": file.ctime_ns}
    status = os.stat_result(whole, times)
    return gate.judged(status, tid, today.timestamp())


def judge(gate: Gate, number: int, decision: Decision, transfer_id: str = "") -> list[Command]:
    """Open, scan and decide an unknown file."""
    commands = gate.opened(opening(number), 0, TODAY)
    scan = first(commands, Scan)
    ask = first(gate.scanned(scan.job, CLEAN, unchanged=True), Ask)
    return gate.decided(ask.ask, decision, transfer_id)


def test_an_unknown_file_is_taken_scanned_asked_and_answered(gate: Gate) -> None:
    """A first open goes the whole way, in order."""
    opened = gate.opened(opening(7), 0, TODAY)
    assert opened == [Take(1, 7), Scan(1, sealed=True)]
    assert gate.scanned(1, CLEAN, unchanged=True) == [Ask(2, 7, CLEAN)]
    assert gate.decided(2, ALLOW) == [Settle(7, ALLOW, CLEAN), Drop(1)]


def test_an_allowed_file_passes_from_the_cache(gate: Gate) -> None:
    """The second open of unchanged bytes needs no scan."""
    judge(gate, 7, ALLOW)

    assert passes(gate, identity(), 8)
    assert not passes(gate, identity(mtime=1), 8)
    assert not passes(gate, identity(), 8, TODAY + timedelta(hours=2))


def test_a_blocked_file_is_refused_from_the_cache(gate: Gate) -> None:
    """Every further attempt is settled, and named after the transfer that was decided."""
    judge(gate, 7, BLOCK, "t")

    assert gate.opened(opening(8), 0, TODAY) == [Settle(8, BLOCK, CLEAN, "t")]


def test_openers_of_one_file_share_a_scan(gate: Gate) -> None:
    """One scan and one opener-independent decision answer all who wait."""
    gate.opened(opening(7), 0, TODAY)
    assert gate.opened(opening(8), 0, TODAY) == []
    gate.scanned(1, CLEAN, unchanged=True)

    assert gate.decided(2, ALLOW, "t") == [
        Settle(7, ALLOW, CLEAN, "t"),
        Settle(8, ALLOW, CLEAN, "t"),
        Drop(1),
    ]


def test_a_decision_for_one_opener_is_not_given_to_another(gate: Gate) -> None:
    """Where the policy reads the opener, each is asked for."""
    gate.opened(opening(7), 0, TODAY)
    gate.opened(opening(8), 0, TODAY)
    gate.scanned(1, CLEAN, unchanged=True)
    mine = replace(ALLOW, opener_independent=False)

    assert gate.decided(2, mine) == [Settle(7, mine, CLEAN), Ask(3, 8, CLEAN)]


def test_a_lost_worker_and_a_changed_file_hold(gate: Gate) -> None:
    """Neither report is used or kept."""
    gate.opened(opening(7), 0, TODAY)
    lost = gate.scanned(1, LOST, unchanged=True)
    gate.opened(opening(8), 0, TODAY)
    changed = gate.scanned(2, CLEAN, unchanged=False)

    assert [lost[0], changed[0]] == [
        Settle(7, hold(HoldReason.WORKER_LOST)),
        Settle(8, hold(HoldReason.CHANGED)),
    ]
    assert isinstance(gate.opened(opening(9), 0, TODAY)[0], Take)


def test_a_deadline_refuses_and_keeps_the_scan(gate: Gate) -> None:
    """The opener gets its answer, and the report is there for the retry."""
    gate.opened(opening(7), 0, TODAY)
    assert gate.tick(19.9) == []
    assert gate.tick(20) == [Settle(7, hold(HoldReason.DEADLINE))]
    assert gate.scanned(1, CLEAN, unchanged=True) == [Drop(1)]

    assert gate.opened(opening(8), 30, TODAY) == [Take(2, 8), Ask(3, 8, CLEAN)]


def test_more_than_the_bound_is_refused(gate: Gate) -> None:
    """The fourth of three possible waiting opens fails at once."""
    for number in (1, 2, 3):
        gate.opened(opening(number), 0, TODAY)

    assert gate.opened(opening(4), 0, TODAY) == [Settle(4, hold(HoldReason.OVERLOAD))]


def test_a_reader_beside_a_writer_is_refused(gate: Gate) -> None:
    """Without a lease a reader is not let in."""
    (settle,) = gate.opened(opening(7, READS), 0, TODAY)

    assert settle == Settle(7, hold(HoldReason.LIVE_WRITER))


def test_a_new_file_may_be_written_in_any_way(gate: Gate) -> None:
    """Write-only, read-write and unknown opens of an empty file pass."""
    for number, access in enumerate((WRITES, BOTH, UNKNOWN), 1):
        empty = identity(inode=number, size=0)
        assert gate.opened(opening(number, access, empty), 0, TODAY) == [Pass(number)]


def test_a_read_write_open_is_judged_without_being_kept(gate: Gate) -> None:
    """It passes when clean, and the report made without a lease is forgotten."""
    assert gate.opened(opening(7, BOTH), 0, TODAY) == [Take(1, 7), Scan(1, sealed=False)]
    (ask,) = gate.scanned(1, CLEAN, unchanged=True)
    assert gate.decided(ask.ask, ALLOW) == [Settle(7, ALLOW, CLEAN), Drop(1)]
    gate.closed((1, 1), sole=True, quiet=True)

    assert isinstance(gate.opened(opening(8), 0, TODAY)[0], Take)


def test_a_writer_waits_for_a_reader_and_is_refused_in_the_end(gate: Gate) -> None:
    """It is examined, parked, and gets EBUSY when its time is over."""
    judge(gate, 7, ALLOW)
    assert gate.opened(opening(8, WRITES), 0, TODAY) == [Examine(8, frozenset({7}))]
    assert gate.examined(8, identity(), read=True, written=False, now=0.5, today=TODAY) == []
    (settle,) = gate.examined(8, identity(), read=True, written=False, now=1.1, today=TODAY)

    assert (settle.number, settle.decision.hold_reason) == (8, HoldReason.LIVE_WRITER)


def test_a_writer_goes_on_when_the_readers_are_gone(gate: Gate) -> None:
    """Nobody has the file open any more: the writer passes and the verdict is void."""
    judge(gate, 7, ALLOW)
    gate.opened(opening(8, WRITES), 0, TODAY)

    assert gate.examined(8, identity(), read=False, written=False, now=0.1, today=TODAY) == [
        Pass(8)
    ]
    assert not passes(gate, identity(), 9)


def test_a_parked_open_is_judged_as_the_file_is_then(gate: Gate) -> None:
    """A file that was empty when the open came and is written since is not taken for empty."""
    empty = identity(size=0)
    gate.opened(opening(7, WRITES, empty), 0, TODAY)
    assert gate.opened(opening(8, UNKNOWN, empty), 0, TODAY) == [Examine(8, frozenset({7}))]
    commands = gate.examined(8, identity(), read=False, written=False, now=0.1, today=TODAY)

    assert commands == [Take(1, 8), Scan(1, sealed=False)]


def test_a_background_scan_gives_way_to_a_writer(gate: Gate) -> None:
    """Nobody waits for it, so the writer does not either."""
    assert gate.written(7, identity()) == [Take(1, 7), Scan(1, sealed=True)]

    assert gate.opened(opening(8, WRITES), 0, TODAY) == [Drop(1, cancel=True), Pass(8)]


def test_a_background_report_serves_the_first_open(gate: Gate) -> None:
    """The open asks at once and scans nothing."""
    gate.written(7, identity())
    gate.scanned(1, CLEAN, unchanged=True)

    assert gate.opened(opening(8), 0, TODAY) == [Take(2, 8), Ask(3, 8, CLEAN)]


@dataclass
class _File:
    """What really is open: the truth that the gate must keep in order."""

    mtime: int = 0
    readers: set[int] = field(default_factory=set)
    writers: set[int] = field(default_factory=set)
    waiting: dict[int, tuple[Access, FileIdentity]] = field(default_factory=dict)


class GateMachine(RuleBasedStateMachine):
    """A small kernel around the gate: files, processes and leases behave as measured."""

    def __init__(self) -> None:
        super().__init__()
        settings = GateSettings(deadline_s=5, writer_wait_s=1, pending_limit=6)
        self.gate = Gate(settings, VerdictCache())
        self.files = {1: _File(), 2: _File()}
        self.inode_of: dict[int, int] = {}
        self.scans: list[int] = []
        self.asks: list[int] = []
        self.numbers = 10
        self.now = 0.0
        self.since: dict[int, float] = {}

    @rule(inode=st.sampled_from([1, 2]), access=st.sampled_from([READS, WRITES, BOTH, UNKNOWN]))
    def open(self, inode: int, access: Access) -> None:
        """A process opens a file."""
        file = self.files[inode]
        self.numbers += 1
        number = self.numbers
        who = identity(inode, mtime=file.mtime)
        writing = file.writers or any(a.writes for a, _ in file.waiting.values())
        file.waiting[number] = (access, who)
        self.inode_of[number] = inode
        self.since[number] = self.now
        sealed = not writing and not access.writes
        if sealed and passes(self.gate, who, number):
            self.enter(number)
            return
        shown = None if sealed else access
        self.do(self.gate.opened(Opening(number, number, who, shown), self.now, TODAY))

    @rule(data=st.data(), good=st.booleans())
    @precondition(lambda self: self.scans)
    def finish_scan(self, data: st.DataObject, good: bool) -> None:
        """A worker reports."""
        job = data.draw(st.sampled_from(self.scans))
        self.scans.remove(job)
        self.do(self.gate.scanned(job, CLEAN if good else LOST, unchanged=True))

    @rule(
        data=st.data(),
        verdict=st.sampled_from([ALLOW, BLOCK, replace(ALLOW, opener_independent=False)]),
    )
    @precondition(lambda self: self.asks)
    def decide(self, data: st.DataObject, verdict: Decision) -> None:
        """A decision comes."""
        ask = data.draw(st.sampled_from(self.asks))
        self.asks.remove(ask)
        self.do(self.gate.decided(ask, verdict))

    @rule(data=st.data())
    @precondition(lambda self: any(f.readers | f.writers for f in self.files.values()))
    def close(self, data: st.DataObject) -> None:
        """A process closes a file."""
        inode = data.draw(
            st.sampled_from([i for i, f in self.files.items() if f.readers | f.writers])
        )
        file = self.files[inode]
        number = data.draw(st.sampled_from(sorted(file.readers | file.writers)))
        wrote = number in file.writers
        file.readers.discard(number)
        file.writers.discard(number)
        pending_writer = any(access.writes for access, _ in file.waiting.values())
        quiet = not file.writers and not pending_writer
        sole = quiet and not file.readers and not file.waiting
        file.mtime += wrote
        self.do(self.gate.closed((1, inode), sole=sole, quiet=quiet))
        if quiet and wrote:
            self.do(self.gate.written(number, identity(inode, mtime=file.mtime)))

    @rule(seconds=st.floats(0.01, 3))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds
        self.do(self.gate.tick(self.now))

    def enter(self, number: int) -> None:
        """The kernel lets an opener in."""
        file = self.files[self.inode_of[number]]
        access, _ = file.waiting.pop(number)
        if access.reads:
            file.readers.add(number)
        if access.writes:
            file.writers.add(number)

    def do(self, commands: list[Command]) -> None:
        """Do what the guard would do."""
        for command in commands:
            match command:
                case Pass(number):
                    self.enter(number)
                case Settle(number, decision):
                    if decision.verdict is Verdict.ALLOW:
                        self.enter(number)
                    else:
                        del self.files[self.inode_of[number]].waiting[number]
                case Scan(job):
                    self.scans.append(job)
                case Ask(ask):
                    self.asks.append(ask)
                case Drop(job, cancel) if cancel and job in self.scans:
                    self.scans.remove(job)
                case Examine(number):
                    file = self.files[self.inode_of[number]]
                    self.do(
                        self.gate.examined(
                            number,
                            identity(self.inode_of[number], mtime=file.mtime),
                            read=bool(file.readers),
                            written=bool(file.writers),
                            now=self.now,
                            today=TODAY,
                        )
                    )

    @invariant()
    def no_writer_beside_another_reader(self) -> None:
        """Whoever reads is alone with what it reads, unless nobody writes."""
        for file in self.files.values():
            for writer in file.writers:
                assert file.readers <= {writer}

    @invariant()
    def nobody_waits_beyond_the_deadline(self) -> None:
        """Right after a tick every open that is older than the deadline is answered."""
        self.do(self.gate.tick(self.now))
        waiting = [n for f in self.files.values() for n in f.waiting]
        assert all(self.now < self.since[number] + 5 for number in waiting)
        assert len(waiting) == self.gate.pending


TestGateMachine = GateMachine.TestCase
