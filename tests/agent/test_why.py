"""Every situation is explained in sentences, and every explanation ends with what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from dataclasses import replace

from transfers import a_receipt, a_report, a_transfer

from lockgate.agent.verdicts.journal import decision_line, receipt_line
from lockgate.agent.verdicts.why import last, sentences
from lockgate.scan.report import Gap, GapReason
from lockgate.wire.transfer import Decision, Enforcement, HoldReason, Verdict, hold


def explained(path: str, *entries: dict[str, object]) -> list[str]:
    """The explanation of ``path`` by a journal of ``entries``."""
    return list(sentences(last(entries, Path(path))))


@pytest.mark.parametrize("reason", list(HoldReason))
def test_every_hold_reason_is_named_and_advised(reason: HoldReason) -> None:
    """The word, what it means, and what to do, also where nobody was asked."""
    receipt = a_receipt(a_transfer("/zone/x"), hold(reason), 11)
    told = explained("/zone/x", receipt_line(receipt))
    assert f"({reason.value}: {reason.explanation})" in " ".join(told)
    assert told[-1].startswith("What to do: ")


@pytest.mark.parametrize("verdict", [Verdict.ALLOW, Verdict.BLOCK, Verdict.QUARANTINE])
def test_every_verdict_is_advised(verdict: Verdict) -> None:
    """Each verdict of a policy ends with what to do."""
    transfer = a_transfer("/zone/x")
    told = explained("/zone/x", decision_line(transfer, a_report(), Decision(verdict, rule="r")))
    assert f"The verdict is {verdict.value}, by the rule r" in " ".join(told)
    assert told[-1].startswith("What to do: ")


@pytest.mark.parametrize(
    ("enforcement", "text"),
    [
        (Enforcement.RESTORED, "put back from quarantine"),
        (Enforcement.NOT_ENFORCED, "nothing was stopped"),
        (Enforcement.DENIED, "/zone/x was judged"),
    ],
)
def test_without_an_opener_nobody_is_said_to_have_read(enforcement: Enforcement, text: str) -> None:
    """Outbox, monitor and restore have no opener, and the sentence claims none."""
    receipt = a_receipt(a_transfer("/zone/x"), Decision(Verdict.QUARANTINE))
    told = explained(
        "/zone/x", receipt_line(replace(receipt, opener=None, enforcement=enforcement))
    )
    assert text in told[0]
    assert "tried to read" not in told[0]


def test_a_gap_is_explained() -> None:
    """What was not looked at, and why, stands in the explanation."""
    report = replace(a_report(), gaps=(Gap(GapReason.ENCRYPTED, detail="zip"),))
    told = explained("/zone/x", decision_line(a_transfer("/zone/x"), report, hold(HoldReason.GAP)))
    assert any("Not looked at (encrypted): " in sentence for sentence in told)


def test_of_an_unknown_file_nothing_is_claimed() -> None:
    """A file that nobody tried is told so."""
    assert explained(
        "/zone/other", receipt_line(a_receipt(a_transfer("/zone/x"), hold(HoldReason.GAP)))
    ) == ["What to do: Nothing is known of this file; open it, and ask again."]
