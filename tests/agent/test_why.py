"""Every situation is explained in sentences, and every explanation ends with what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from dataclasses import replace

from transfers import a_receipt, a_report, a_transfer

from lockgate.agent.ports import Progress
from lockgate.agent.verdicts.journal import decision_line, receipt_line
from lockgate.agent.verdicts.why import last, sentences
from lockgate.scan.report import Gap, GapReason
from lockgate.wire.transfer import Decision, Enforcement, HoldReason, Opener, Verdict, hold


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


def test_who_tried_is_told_with_all_that_is_known() -> None:
    """Program, parents, user, login, ssh peer, unit and container stand in sentences."""
    opener = Opener(
        pid=9,
        uid=1000,
        executable="/usr/bin/scp",
        login_uid=1001,
        parents=("/usr/bin/bash", "/usr/sbin/sshd"),
        user="ann",
        login_user="bob",
        unit="session-3.scope",
        container="0123456789abcdef" * 4,
        ssh_peer="10.0.0.2:54321",
    )
    receipt = replace(a_receipt(a_transfer("/zone/x"), hold(HoldReason.GAP), 11), opener=opener)
    told = explained("/zone/x", receipt_line(receipt))
    assert "/usr/bin/scp (pid 9, user ann (1000)) tried to read /zone/x." in told[0]
    assert "It was started by /usr/bin/bash, by /usr/sbin/sshd." in told
    assert "Its user had logged in as bob (1001) over ssh from 10.0.0.2:54321." in told
    assert "It ran in the unit session-3.scope in the container 0123456789ab." in told


def test_what_is_not_known_of_an_opener_is_not_said() -> None:
    """A number without a name, and nothing else, is told as that."""
    receipt = a_receipt(a_transfer("/zone/x"), hold(HoldReason.GAP), 11)
    told = explained("/zone/x", receipt_line(replace(receipt, opener=Opener(pid=9))))
    assert "a process (pid 9, user unknown) tried to read /zone/x." in told[0]
    assert not any(sentence.startswith("It was started") for sentence in told)


def test_one_who_was_let_in_did_not_only_try() -> None:
    """An admitted reader is told as one, with the entry that let it in."""
    receipt = a_receipt(a_transfer("/zone/x"), Decision(Verdict.ALLOW, rule="reader:unit=b"))
    told = explained("/zone/x", receipt_line(receipt))
    assert "was let in to read /zone/x" in told[0]


def test_a_running_scan_is_told_with_an_estimate() -> None:
    """How far it is, how long it takes still, and when to try again."""
    receipt = a_receipt(a_transfer("/zone/x"), hold(HoldReason.SCAN_PENDING), 11)
    found = last([receipt_line(receipt)], Path("/zone/x"))
    told = list(sentences(replace(found, progress=Progress(1 << 20, 4 << 20, 35.4))))
    assert told[0] == (
        "It is being scanned now: 1,048,576 of 4,194,304 bytes, about 35 seconds more."
    )
    assert told[-1] == "What to do: Try again in about 35 seconds."


def test_a_live_file_has_a_way_out() -> None:
    """Whoever waits for a writer that never closes is told of the release copy."""
    receipt = a_receipt(a_transfer("/zone/x"), hold(HoldReason.LIVE_WRITER), 16)
    assert "lockgate agent release" in explained("/zone/x", receipt_line(receipt))[-1]
