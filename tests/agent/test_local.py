"""Deciding without a controller: durable before the answer, and held when in doubt."""

from __future__ import annotations

import select
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from transfers import a_receipt, a_report, a_transfer

from lockgate.agent.verdicts import journal
from lockgate.agent.verdicts.journal import Journal
from lockgate.agent.verdicts.local import LocalDecider
from lockgate.agent.verdicts.why import last, sentences
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, HoldReason, Transfer, Verdict


def allow(_report: Report, _transfer: Transfer, _now: datetime) -> Decision:
    """A policy that allows everything."""
    return Decision(Verdict.ALLOW, rule="clean")


def broken(_report: Report, _transfer: Transfer, _now: datetime) -> Decision:
    """A policy that fails."""
    raise ZeroDivisionError


class FullJournal(Journal):
    """A journal on a full disk."""

    def append(self, entries: object, *, durable: bool) -> None:
        """Refuse, as the kernel would."""
        raise OSError(28, "No space left on device")


def decide(decider: LocalDecider) -> Decision:
    """Ask once."""
    decider.request(1, a_transfer(), a_report())
    assert select.select([decider.fileno()], [], [], 10)[0]
    ((_, decision),) = decider.collect()
    decider.close()
    return decision


def test_a_decision_is_in_the_journal_when_the_guard_hears_of_it(tmp_path: Path) -> None:
    """The entry stands before the answer."""
    decider = LocalDecider(allow, Journal(tmp_path))
    assert decide(decider).verdict is Verdict.ALLOW
    assert [entry["event"] for entry in journal.read(tmp_path)] == ["decision"]


def test_a_policy_that_fails_holds(tmp_path: Path) -> None:
    """An exception in a policy is a HOLD."""
    decision = decide(LocalDecider(broken, Journal(tmp_path)))
    assert decision.hold_reason is HoldReason.POLICY_ERROR


def test_what_cannot_be_written_down_is_held(tmp_path: Path) -> None:
    """On a full disk nothing is allowed."""
    decision = decide(LocalDecider(allow, FullJournal(tmp_path)))
    assert decision.hold_reason is HoldReason.SPOOL_FULL


def test_why_tells_who_what_and_what_to_do(tmp_path: Path) -> None:
    """The explanation of a refused file, by its path, from the journal alone."""
    made = Journal(tmp_path)
    transfer = a_transfer("/zone/x")
    decision = Decision(Verdict.BLOCK, rule="private-key", wait_for="zone-owner")
    made.append([journal.decision_line(transfer, a_report(), decision)], durable=True)
    receipt = a_receipt(transfer, decision, 1)
    made.append([journal.receipt_line(receipt)], durable=True)
    made.close()
    text = "\n".join(sentences(last(journal.read(tmp_path), Path("/zone/x"))))
    assert "/usr/bin/cat (pid 9, user 1000) tried to read /zone/x" in text
    assert "Operation not permitted" in text
    assert "BLOCK, by the rule private-key, until zone-owner decides" in text
    assert text.splitlines()[-1].startswith("What to do: ")


def test_a_damaged_line_is_passed_over_and_old_files_go(tmp_path: Path) -> None:
    """The journal is bounded, and a torn line hides no other."""
    made = Journal(tmp_path, limit=200, keep=2)
    for number in range(20):
        made.append([{"event": "test", "number": number}], durable=False)
    made.close()
    with (tmp_path / "journal.jsonl").open("ab") as torn:
        torn.write(b'{"event": "te')
    numbers = [entry["number"] for entry in journal.read(tmp_path)]
    assert numbers == list(range(numbers[0], 20))
    assert len(list(tmp_path.iterdir())) <= 4
