"""Judging what was taken in: nothing is lost, nothing that is not whole counts as clean."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from cores import an_entry
from guard_neighbours import decision_on, report_on

from lockgate.agent.config import AgentSettings
from lockgate.agent.intake import process
from lockgate.agent.intake.entry import Entry, State, Why
from lockgate.agent.intake.judging import Judge
from lockgate.agent.intake.store import Store
from lockgate.scan.report import GapReason, Report
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    HoldReason,
    Receipt,
    Transfer,
    Verdict,
    hold,
)


class FakeAsking:
    """Scans by reading, allows what has no gap, and remembers receipts."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.transfers: list[Transfer] = []
        self.answers: list[Decision] = []
        self.scans = 0
        self.digests: list[str] = []

    def scan_behind_writer(self, fd: int, path: str, zone: str) -> Report:
        """A clean report on what is there."""
        self.scans += 1
        report = report_on(os.pread(fd, 1 << 20, 0), path)
        if self.digests:
            report = replace(report, sha256=self.digests.pop())
        return report

    def decide(self, transfer: Transfer, report: Report) -> Decision:
        """The next answer, else ALLOW for what is clean."""
        self.transfers.append(transfer)
        return self.answers.pop(0) if self.answers else decision_on(report)

    def record(self, receipt: Receipt) -> None:
        """Remember it."""
        self.receipts.append(receipt)


@pytest.fixture
def asking() -> FakeAsking:
    """What the judge asks."""
    return FakeAsking()


@pytest.fixture
def store(settings: AgentSettings) -> Store:
    """The store of the settings."""
    return process.store_of(settings)


@contextmanager
def judge(settings: AgentSettings, asking: FakeAsking) -> Iterator[None]:
    """A judge at work."""
    made = Judge(settings, "host", asking)  # type: ignore[arg-type]  # as much as is used
    made.start()
    try:
        yield
    finally:
        made.close()


def wait_for(condition: Callable[[], object]) -> None:
    """Until it is true."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def take(store: Store, entry: Entry | None = None) -> Entry:
    """A sealed dump."""
    entry = entry or an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(b"dump" * 1000))
    return store.seal(entry, incoming)


def test_what_waits_is_judged_once(
    settings: AgentSettings, store: Store, asking: FakeAsking
) -> None:
    """By the agent that comes, with a receipt; the next agent does not ask again."""
    entry = take(store)
    for _ in range(2):
        with judge(settings, asking):
            wait_for(lambda: store.judgement(entry.entry_id))
            time.sleep(0.7)
    judgement = store.judgement(entry.entry_id)
    assert judgement is not None
    assert (judgement.verdict, judgement.zone) == ("ALLOW", "zone")
    (receipt,) = asking.receipts
    assert (receipt.enforcement, receipt.verdict) == (Enforcement.TAKEN_IN, Verdict.ALLOW)
    assert receipt.transfer_id == entry.entry_id
    assert asking.transfers[0].opener == entry.crash.opener


def test_a_dump_that_was_not_kept_is_never_clean(
    settings: AgentSettings, store: Store, asking: FakeAsking
) -> None:
    """Nobody has seen its bytes: a gap, and a receipt that says so."""
    entry = store.drop(an_entry(), Why.QUOTA)
    with judge(settings, asking):
        wait_for(lambda: store.judgement(entry.entry_id))
    judgement = store.judgement(entry.entry_id)
    assert judgement is not None
    assert judgement.verdict == "HOLD"
    assert judgement.gaps
    assert asking.receipts[0].enforcement is Enforcement.NOT_KEPT
    assert asking.scans == 0


def test_a_dump_that_is_not_whole_has_a_gap(
    settings: AgentSettings, store: Store, asking: FakeAsking
) -> None:
    """A clean scan of a part is not a clean dump."""
    entry = take(store, replace(an_entry(), why=Why.TRUNCATED))
    with judge(settings, asking):
        wait_for(lambda: store.judgement(entry.entry_id))
    judgement = store.judgement(entry.entry_id)
    assert judgement is not None
    assert (judgement.verdict, judgement.gaps) == ("HOLD", (GapReason.TRUNCATED.value,))


def test_a_scan_of_other_bytes_is_done_again(
    settings: AgentSettings, store: Store, asking: FakeAsking
) -> None:
    """The digest of the report is that of the sealed dump."""
    asking.digests = ["0" * 64]
    entry = take(store)
    with judge(settings, asking):
        wait_for(lambda: store.judgement(entry.entry_id))
    assert asking.scans == 2


def test_nobody_to_decide_is_asked_again(
    settings: AgentSettings, store: Store, asking: FakeAsking
) -> None:
    """A HOLD for want of the controller stands until the next agent, or the next try."""
    asking.answers = [hold(HoldReason.CONTROLLER_UNREACHABLE)]
    entry = take(store)
    with judge(settings, asking):
        wait_for(lambda: store.judgement(entry.entry_id))
    with judge(settings, asking):
        wait_for(lambda: len(asking.receipts) == 2)
        wait_for(lambda: getattr(store.judgement(entry.entry_id), "verdict", "") == "ALLOW")


def test_a_dump_still_coming_in_waits_for_its_end(
    settings: AgentSettings, store: Store, asking: FakeAsking
) -> None:
    """No verdict on bytes that may change."""
    entry = an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(b"dump" * 1000))
    with judge(settings, asking):
        wait_for(lambda: asking.scans)
        time.sleep(0.2)
        assert store.judgement(entry.entry_id) is None
        store.seal(entry, incoming)
        wait_for(lambda: store.judgement(entry.entry_id))
    found = store.find(entry.entry_id)
    assert found is not None
    assert found.state is State.SEALED
