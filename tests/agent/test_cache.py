"""What is known of a file holds for exactly its bytes, its policy and its time."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard.cache import KeptDecision, VerdictCache
from lockgate.scan.report import EngineInfo, Report
from lockgate.wire.transfer import Decision, FileIdentity, HoldReason, Verdict, hold

NOW = 1000.0
HOUR = 3600.0
FILE = FileIdentity(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5)
REPORT = Report("f", "00", 3, (), (), 3, 0.0, EngineInfo("test", "pack", "standard", ()))
ALLOW = Decision(
    Verdict.ALLOW,
    policy_digest="p",
    opener_independent=True,
)
BLOCK = Decision(Verdict.BLOCK, policy_digest="p", opener_independent=True)


def kept(decision: Decision, until: float | None = None) -> KeptDecision:
    """A decision that ends in an hour if it is an ALLOW."""
    return KeptDecision(decision, "t", NOW + HOUR if decision is ALLOW else until)


def _passes(cache: VerdictCache, file: FileIdentity, now: float = NOW) -> bool:
    return cache.passes((file.device, file.inode), _status(file), now)


def _status(file: FileIdentity) -> os.stat_result:
    times = {"st_mtime_ns": file.mtime_ns, "st_ctime_ns": file.ctime_ns}
    return os.stat_result([0, file.inode, file.device, 0, 0, 0, file.size, 0, 0, 0], times)


@pytest.fixture
def cache() -> VerdictCache:
    """A cache of two files that knows one report."""
    cache = VerdictCache(capacity=2)
    cache.store_report(FILE, REPORT)
    return cache


def _kept(cache: VerdictCache, decision: Decision, now: float = NOW) -> bool:
    cache.store_decision(FILE, kept(decision))
    return cache.decision(FILE, now) is not None


@pytest.mark.parametrize("field", ["device", "inode", "size", "mtime_ns", "ctime_ns"])
def test_any_change_voids_report_and_decision(cache: VerdictCache, field: str) -> None:
    """Each field of the identity counts."""
    cache.store_decision(FILE, kept(ALLOW))
    other = replace(FILE, **{field: 99})

    assert _passes(cache, FILE)
    assert not _passes(cache, other)
    assert (cache.report(other), cache.decision(other, NOW)) == (None, None)


def test_an_allow_ends_and_a_denial_does_not(cache: VerdictCache) -> None:
    """The short way and the long way agree."""
    later = NOW + 24 * HOUR

    assert not _kept(cache, ALLOW, later)
    assert not _passes(cache, FILE, later)
    assert _kept(cache, BLOCK, later)
    assert not _passes(cache, FILE)


@pytest.mark.parametrize(
    ("decision", "lasts"),
    [
        (ALLOW, True),
        (BLOCK, True),
        (replace(ALLOW, opener_independent=False), False),
        (replace(BLOCK, opener_independent=False), False),
        (replace(ALLOW, rule="without an end"), False),
        (replace(hold(HoldReason.GAP, policy_digest="p"), opener_independent=True), True),
        (replace(hold(HoldReason.CONTROLLER_UNREACHABLE), opener_independent=True), False),
        (replace(hold(HoldReason.WORKER_LOST), opener_independent=True), False),
    ],
)
def test_only_lasting_answers_are_kept(
    cache: VerdictCache, decision: Decision, lasts: bool
) -> None:
    """What depends on the opener or on a moment is asked again."""
    assert _kept(cache, decision) is lasts


def test_another_policy_voids_decisions_and_keeps_reports(cache: VerdictCache) -> None:
    """A new digest means that all is asked again, and nothing scanned again."""
    cache.store_decision(FILE, kept(ALLOW))
    cache.store_decision(replace(FILE, inode=9), kept(replace(BLOCK, policy_digest="q")))

    assert cache.decision(FILE, NOW) is None
    assert not _passes(cache, FILE)
    assert cache.report(FILE) == REPORT


def test_other_rules_void_everything(cache: VerdictCache) -> None:
    """A report of a new rule pack throws the old ones away."""
    newer = replace(REPORT, engine=replace(REPORT.engine, rule_pack="newer"))
    cache.store_report(replace(FILE, inode=9), newer)

    assert cache.report(FILE) is None


def test_another_policy_or_rule_pack_of_another_zone_voids_nothing(cache: VerdictCache) -> None:
    """Zones have policies and rules of their own; what is told apart is the device."""
    cache.store_decision(FILE, kept(ALLOW))
    other = replace(FILE, device=9)
    newer = replace(REPORT, engine=replace(REPORT.engine, rule_pack="newer"))
    cache.store_report(other, newer)
    cache.store_decision(other, kept(replace(BLOCK, policy_digest="q")))

    assert _passes(cache, FILE)
    assert cache.report(FILE) == REPORT


def test_a_new_report_voids_the_old_decision(cache: VerdictCache) -> None:
    """Scanned again is asked again."""
    cache.store_decision(FILE, kept(ALLOW))
    cache.store_report(FILE, REPORT)

    assert not _passes(cache, FILE)


@given(st.lists(st.integers(0, 20)))
def test_the_cache_is_bounded(inodes: list[int]) -> None:
    """Whatever is stored, no more than the capacity is kept."""
    cache = VerdictCache(capacity=3)
    for inode in inodes:
        cache.store_report(replace(FILE, inode=inode), REPORT)
        cache.store_decision(replace(FILE, inode=inode), kept(ALLOW))

    assert len(cache) == min(3, len(set(inodes)))
    passing = [i for i in range(21) if _passes(cache, replace(FILE, inode=i))]
    assert len(passing) == len(cache)


@pytest.mark.parametrize("reason", [HoldReason.CONTROLLER_UNREACHABLE, HoldReason.SPOOL_FULL])
def test_a_hold_of_the_agent_itself_voids_no_decision(
    cache: VerdictCache, reason: HoldReason
) -> None:
    """While the controller is away, what it allowed before stays allowed."""
    cache.store_report(FILE, REPORT)
    cache.store_decision(FILE, kept(ALLOW))
    other = replace(FILE, inode=9)
    cache.store_report(other, REPORT)
    cache.store_decision(other, kept(hold(reason)))

    assert cache.decision(FILE, NOW) is not None


@pytest.mark.parametrize(
    ("transfer_id", "sha256", "forgotten"),
    [("t", "", True), ("x", "00", True), ("x", "", False), ("x", "11", False)],
)
def test_one_decision_is_forgotten_by_transfer_or_bytes(
    cache: VerdictCache, transfer_id: str, sha256: str, *, forgotten: bool
) -> None:
    """Both ways to an ALLOW are closed; the report stays, so that nothing is scanned again."""
    cache.store_decision(FILE, kept(ALLOW))
    cache.forget_decision_of(transfer_id, sha256)
    assert (cache.decision(FILE, NOW) is None) is forgotten
    assert _passes(cache, FILE) is not forgotten
    assert cache.report(FILE) == REPORT


def test_the_files_of_one_device_are_forgotten_as_a_whole(cache: VerdictCache) -> None:
    """Reports too; other devices keep theirs."""
    elsewhere = replace(FILE, device=9)
    cache.store_report(elsewhere, REPORT)
    cache.store_decision(FILE, kept(ALLOW))
    cache.forget_files(FILE.device)
    assert cache.report(FILE) is None
    assert not _passes(cache, FILE)
    assert cache.report(elsewhere) == REPORT
