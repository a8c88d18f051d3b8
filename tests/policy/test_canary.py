"""Canaries in a decision: refused whoever asks, never paged, and no cover for anything else."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lockgate.policy import decide, default_policy
from lockgate.policy.canary import CANARY, without_canaries
from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Gap,
    GapReason,
    Report,
)
from lockgate.wire.transfer import Boundary, FileIdentity, Transfer, Verdict, Zone

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ENGINE = EngineInfo("1", "pack", "standard", ("markers",))
TRANSFER = Transfer(
    transfer_id="01890a5d-ac96-774b-bcce-b302099a8057",
    zone=Zone("prod"),
    host="host1",
    boundary=Boundary.OPEN,
    path="/zone/file",
    identity=FileIdentity(1, 2, 3, 4, 5),
    opener=None,
    attempt_time=NOW,
)


def finding(class_=FindingClass.PROTECTED, name=CANARY, number=0):
    """A finding; a canary unless said otherwise."""
    mark = f"sha256:{number:064x}"
    return Finding(FindingKind.PRIVATE_KEY, class_, "RSA", 2048, mark, (), (), name)


def report(*findings, gaps=()):
    """A report of a file of three bytes."""
    return Report("/zone/file", "a" * 64, 3, findings, gaps, 3, 0.1, ENGINE)


def decided(*findings, gaps=()):
    """What the shipped policy decides."""
    return decide(report(*findings, gaps=gaps), TRANSFER, default_policy(), NOW)


def test_a_file_of_canaries_is_blocked_for_every_opener_without_a_page():
    """It neither leaves nor goes into quarantine, and nobody is woken."""
    decision = decided(finding(), finding(number=1))
    assert decision.verdict is Verdict.BLOCK
    assert decision.rule == "canary"
    assert decision.opener_independent
    assert not decision.page
    assert decision.policy_digest == default_policy().digest


def test_a_gap_beside_a_canary_does_not_make_it_milder():
    """BLOCK stays BLOCK."""
    assert decided(finding(), gaps=(Gap(GapReason.UNDECIDED),)).verdict is Verdict.BLOCK


def test_a_protected_key_beside_a_canary_is_decided_as_if_it_were_alone():
    """A canary in the file hides no real key: quarantine and page."""
    real = finding(name="signing", number=1)
    assert decided(finding(), real) == decided(real)
    assert decided(finding(), real).verdict is Verdict.QUARANTINE
    assert decided(finding(), real).page


@pytest.mark.parametrize("class_", [FindingClass.TEST, FindingClass.RNG, FindingClass.SESSION])
def test_beside_what_may_pass_a_canary_still_may_not(class_):
    """The stricter verdict counts."""
    other = finding(class_, None, 1)
    assert decided(other).verdict is not Verdict.BLOCK
    assert decided(finding(), other).verdict is Verdict.BLOCK


def test_only_the_registry_makes_a_canary():
    """A name without the class of a registered key is no canary."""
    pretended = finding(FindingClass.PRIVATE)
    assert without_canaries(report(pretended)) == report(pretended)
    alone = report(finding())
    assert without_canaries(alone) == replace(alone, findings=())
