"""The gate as a conversation: opens in, answers out."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from lockgate.agent.guard.access import UNKNOWN, Access
from lockgate.agent.guard.cache import VerdictCache
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
from lockgate.agent.guard.gate import Gate, GateSettings
from lockgate.scan.report import EngineInfo, Gap, GapReason, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict, hold

NOW = 100.0
HOUR = 3600.0
ENGINE = EngineInfo("test", "pack", "standard", ())
CLEAN = Report("f", "00", 9, (), (), 9, 0.0, ENGINE)
LOST = replace(CLEAN, gaps=(Gap(GapReason.WORKER_LOST),))
ALLOW = Decision(
    Verdict.ALLOW,
    policy_digest="p",
    opener_independent=True,
)
BLOCK = Decision(Verdict.BLOCK, policy_digest="p", opener_independent=True)
WRITES = Access(reads=False, writes=True, truncates=False)
BACKGROUND = Scan(1, sealed=True, background=True)
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
    return gate_of(0.0)


def gate_of(scan_s: float) -> Gate:
    """A gate that expects every scan to take that long."""
    settings = GateSettings(deadline_s=20, writer_wait_s=1, pending_limit=3)
    return Gate(settings, VerdictCache(), lambda identity, job: scan_s)


def first(commands: list[Command], kind: type) -> Command:
    """The first command of a kind."""
    return next(command for command in commands if isinstance(command, kind))


def passes(gate: Gate, file: FileIdentity, tid: int, now: float = NOW) -> bool:
    """Whether a sealed open passes the short way."""
    return gate.judged(status_of(file), tid, now)


def status_of(file: FileIdentity) -> os.stat_result:
    """What fstat(2) says of a file."""
    whole = [0] * 10
    whole[1], whole[2], whole[6] = file.inode, file.device, file.size
    times = {"st_mtime_ns": file.mtime_ns, "st_ctime_ns": file.ctime_ns}
    return os.stat_result(whole, times)


def judge(gate: Gate, number: int, decision: Decision, transfer_id: str = "") -> list[Command]:
    """Open, scan and decide an unknown file."""
    commands = gate.opened(opening(number), 0)
    scan = first(commands, Scan)
    ask = first(gate.scanned(scan.job, CLEAN, unchanged=True), Ask)
    return gate.decided(ask.ask, decision, transfer_id, until=NOW + HOUR)


def test_an_unknown_file_is_taken_scanned_asked_and_answered(gate: Gate) -> None:
    """A first open goes the whole way, in order."""
    opened = gate.opened(opening(7), 0)
    assert opened == [Take(1, 7), Scan(1, sealed=True)]
    assert gate.scanned(1, CLEAN, unchanged=True) == [Ask(2, 7, CLEAN)]
    assert gate.decided(2, ALLOW) == [Settle(7, ALLOW, CLEAN), Drop(1)]


def test_an_allowed_file_passes_from_the_cache(gate: Gate) -> None:
    """The second open of unchanged bytes needs no scan."""
    judge(gate, 7, ALLOW)

    assert passes(gate, identity(), 8)
    assert not passes(gate, identity(mtime=1), 8)
    assert not passes(gate, identity(), 8, NOW + 2 * HOUR)


def test_a_blocked_file_is_refused_from_the_cache(gate: Gate) -> None:
    """Every further attempt is settled, and named after the transfer that was decided."""
    judge(gate, 7, BLOCK, "t")

    assert gate.opened(opening(8), 0) == [Settle(8, BLOCK, CLEAN, "t")]


def test_openers_of_one_file_share_a_scan(gate: Gate) -> None:
    """One scan and one opener-independent decision answer all who wait."""
    gate.opened(opening(7), 0)
    assert gate.opened(opening(8), 0) == []
    gate.scanned(1, CLEAN, unchanged=True)

    assert gate.decided(2, ALLOW, "t") == [
        Settle(7, ALLOW, CLEAN, "t"),
        Settle(8, ALLOW, CLEAN, "t"),
        Drop(1),
    ]


def test_a_decision_for_one_opener_is_not_given_to_another(gate: Gate) -> None:
    """Where the policy reads the opener, each is asked for."""
    gate.opened(opening(7), 0)
    gate.opened(opening(8), 0)
    gate.scanned(1, CLEAN, unchanged=True)
    mine = replace(ALLOW, opener_independent=False)

    assert gate.decided(2, mine) == [Settle(7, mine, CLEAN), Ask(3, 8, CLEAN)]


def test_a_lost_worker_and_a_changed_file_hold(gate: Gate) -> None:
    """Neither report is used or kept."""
    gate.opened(opening(7), 0)
    lost = gate.scanned(1, LOST, unchanged=True)
    gate.opened(opening(8), 0)
    changed = gate.scanned(2, CLEAN, unchanged=False)

    assert [lost[0], changed[0]] == [
        Settle(7, hold(HoldReason.WORKER_LOST)),
        Settle(8, hold(HoldReason.CHANGED)),
    ]
    assert isinstance(gate.opened(opening(9), 0)[0], Take)


def test_a_deadline_refuses_and_keeps_the_scan(gate: Gate) -> None:
    """The opener gets its answer, and the report is there for the retry."""
    gate.opened(opening(7), 0)
    assert gate.tick(19.9) == []
    assert gate.tick(20) == [Settle(7, hold(HoldReason.DEADLINE))]
    assert gate.scanned(1, CLEAN, unchanged=True) == [Drop(1)]

    assert gate.opened(opening(8), 30) == [Take(2, 8), Ask(3, 8, CLEAN)]


def test_more_than_the_bound_is_refused(gate: Gate) -> None:
    """The fourth of three possible waiting opens fails at once."""
    for number in (1, 2, 3):
        gate.opened(opening(number), 0)

    assert gate.opened(opening(4), 0) == [Settle(4, hold(HoldReason.OVERLOAD))]


def test_a_reader_beside_a_writer_is_refused(gate: Gate) -> None:
    """Without a lease a reader is not let in."""
    (settle,) = gate.opened(opening(7, READS), 0)

    assert settle == Settle(7, hold(HoldReason.LIVE_WRITER))


def test_a_new_file_may_be_written_in_any_way(gate: Gate) -> None:
    """Write-only, read-write and unknown opens of an empty file pass."""
    for number, access in enumerate((WRITES, BOTH, UNKNOWN), 1):
        empty = identity(inode=number, size=0)
        assert gate.opened(opening(number, access, empty), 0) == [Pass(number)]


def test_a_read_write_open_is_judged_without_being_kept(gate: Gate) -> None:
    """It passes when clean, and the report made without a lease is forgotten."""
    assert gate.opened(opening(7, BOTH), 0) == [Take(1, 7), Scan(1, sealed=False)]
    (ask,) = gate.scanned(1, CLEAN, unchanged=True)
    assert gate.decided(ask.ask, ALLOW) == [Settle(7, ALLOW, CLEAN), Drop(1)]
    gate.vacated((1, 1))

    assert isinstance(gate.opened(opening(8), 0)[0], Take)


def test_a_writer_waits_for_a_reader_and_is_refused_in_the_end(gate: Gate) -> None:
    """It is examined, parked, and gets EBUSY when its time is over."""
    judge(gate, 7, ALLOW)
    assert gate.opened(opening(8, WRITES), 0) == [Examine(8, frozenset({7}))]
    assert gate.examined(8, identity(), read=True, written=False, now=0.5) == []
    (settle,) = gate.examined(8, identity(), read=True, written=False, now=1.1)

    assert (settle.number, settle.decision.hold_reason) == (8, HoldReason.LIVE_WRITER)


def test_a_writer_goes_on_when_the_readers_are_gone(gate: Gate) -> None:
    """Nobody has the file open any more: the writer passes and the verdict is void."""
    judge(gate, 7, ALLOW)
    gate.opened(opening(8, WRITES), 0)

    assert gate.closed((1, 1), read=True, wrote=False) == [Examine(8, frozenset())]
    assert gate.examined(8, identity(), read=False, written=False, now=0.1) == [Pass(8)]
    assert not passes(gate, identity(), 9)


def test_a_reader_that_proc_does_not_show_keeps_a_writer_out(gate: Gate) -> None:
    """Its close was not told, so it is somewhere; the kernel is asked after the refusal."""
    judge(gate, 7, ALLOW)
    gate.opened(opening(8, WRITES), 0)
    assert gate.examined(8, identity(), read=False, written=False, now=0.5) == []
    doubt, settle = gate.examined(8, identity(), read=False, written=False, now=1.1)

    assert (doubt, settle.decision.hold_reason) == (Doubt(8), HoldReason.LIVE_WRITER)
    assert isinstance(gate.opened(opening(9, WRITES), 2)[0], Examine)


def test_a_writer_comes_in_once_the_kernel_knows_of_nobody(gate: Gate) -> None:
    """A close that was merged with another one costs one refusal at most."""
    judge(gate, 7, ALLOW)
    gate.vacated((1, 1))

    assert gate.opened(opening(8, WRITES), 0) == [Pass(8)]


def test_reads_of_an_open_file_are_not_counted_as_opens(gate: Gate) -> None:
    """In a strict zone a reader reads often and closes once."""
    judge(gate, 7, ALLOW)
    for _ in range(3):
        gate.judged(status_of(identity()), 7, NOW, opens=False)
    gate.closed((1, 1), read=True, wrote=False)

    assert gate.opened(opening(8, WRITES), 0) == [Pass(8)]


def test_the_close_of_a_named_reader_is_not_taken_for_another_ones(gate: Gate) -> None:
    """Else it would let a writer in beside a reader that nobody sees."""
    judge(gate, 7, ALLOW)
    gate.named((1, 1))
    gate.closed((1, 1), read=True, wrote=False)
    gate.opened(opening(8, WRITES), 0)

    assert gate.examined(8, identity(), read=False, written=False, now=0.1) == []


def test_a_parked_open_is_judged_as_the_file_is_then(gate: Gate) -> None:
    """A file that was empty when the open came and is written since is not taken for empty."""
    empty = identity(size=0)
    gate.opened(opening(7, WRITES, empty), 0)
    assert gate.opened(opening(8, UNKNOWN, empty), 0) == [Examine(8, frozenset({7}))]
    gate.closed((1, 1), read=False, wrote=True)
    commands = gate.examined(8, identity(), read=False, written=False, now=0.1)

    assert commands == [Take(1, 8), Scan(1, sealed=False)]


def test_a_background_scan_gives_way_to_a_writer(gate: Gate) -> None:
    """Nobody waits for it, so the writer does not either."""
    assert gate.idle(7, identity()) == [Take(1, 7), BACKGROUND]

    assert gate.opened(opening(8, WRITES), 0) == [Drop(1, cancel=True), Pass(8)]


def test_an_open_hastens_the_background_scan_that_it_joins(gate: Gate) -> None:
    """Only the first: the others wait for what is hastened already."""
    gate.idle(7, identity())

    assert gate.opened(opening(8), 0) == [Hasten(1)]
    assert gate.opened(opening(9), 0) == []


def test_a_background_report_serves_the_first_open(gate: Gate) -> None:
    """The open asks at once and scans nothing."""
    gate.idle(7, identity())
    gate.scanned(1, CLEAN, unchanged=True)

    assert gate.opened(opening(8), 0) == [Take(2, 8), Ask(3, 8, CLEAN)]


@pytest.mark.parametrize("file", [identity(), identity(size=0)])
def test_what_is_known_or_empty_is_not_judged_again(gate: Gate, file: FileIdentity) -> None:
    """Idle time is not spent on bytes that have a report, nor on none."""
    judge(gate, 7, ALLOW)

    assert gate.idle(8, file) == []


def test_a_scan_longer_than_the_deadline_refuses_at_once() -> None:
    """The open fails, the file is judged without it, and the next open finds the report."""
    gate = gate_of(60.0)
    pending = hold(HoldReason.SCAN_PENDING)
    assert gate.opened(opening(7), 0) == [Defer(7), Settle(7, pending)]
    assert gate.idle(9, identity()) == [Take(1, 9), BACKGROUND]
    assert gate.opened(opening(8), 1) == [Settle(8, pending)]
    gate.scanned(1, CLEAN, unchanged=True)

    assert gate.opened(opening(8), 60) == [Take(2, 8), Ask(3, 8, CLEAN)]


def test_a_read_write_open_of_a_long_file_finds_a_report_at_the_next_try() -> None:
    """The file is judged under a lease, once the writer that was refused is gone."""
    gate = gate_of(60.0)
    gate.opened(opening(7, BOTH), 0)
    gate.idle(9, identity())
    gate.scanned(1, CLEAN, unchanged=True)

    assert gate.opened(opening(8, BOTH), 60) == [Take(2, 8), Ask(3, 8, CLEAN)]


def test_a_new_file_passes_the_short_way_for_a_writer_only(gate: Gate) -> None:
    """A reader beside it, and a second one that wants to be alone, go the long way."""
    assert gate.created((1, 1), 7, WRITES)
    assert not gate.created((1, 1), 8, BOTH)
    assert not gate.created((1, 2), 9, READS)

    assert gate.opened(opening(8, BOTH, identity(size=0)), 0) == [Examine(8, frozenset({7}))]


def test_an_allow_ends_by_a_clock_that_nobody_sets(gate: Gate) -> None:
    """At its end the file is asked for again; the report is still there."""
    judge(gate, 7, ALLOW)

    assert gate.opened(opening(8), NOW + HOUR) == [Take(3, 8), Ask(4, 8, CLEAN)]
