"""The budget of an evaluation: a runaway expression is refused at load or ends in a HOLD."""

import sys
import time
from datetime import UTC, datetime

import pytest

from lockgate.policy import PolicyError, decide, default_policy, load
from lockgate.policy.cost import LARGEST, worst_case
from lockgate.policy.document import Source
from lockgate.policy.expression import ExpressionError, compile_expression
from lockgate.policy.load import load_texts
from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Occurrence,
    Report,
)
from lockgate.wire.transfer import Boundary, FileIdentity, HoldReason, Transfer, Verdict, Zone

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MODULE = sys.modules["lockgate.policy.decide"]  # the package gives the function that name
TRANSFER = Transfer(
    transfer_id="01890a5d-ac96-774b-bcce-b302099a8057",
    zone=Zone("prod"),
    host="host1",
    boundary=Boundary.OPEN,
    path="/zone/" + "a" * 4000,
    identity=FileIdentity(1, 2, 3, 4, 5),
    opener=None,
    attempt_time=NOW,
)
#: Each finding with each other: more steps than the engine allows for a thousand findings.
PAIRS = "report.findings.all(a, report.findings.all(b, {}))"


def report(findings):
    """A report with so many private keys."""
    found = tuple(
        Finding(
            FindingKind.PRIVATE_KEY,
            FindingClass.SESSION,
            "RSA",
            2048,
            f"sha256:{number:064x}",
            (),
            (Occurrence("pem", number, 1),),
        )
        for number in range(findings)
    )
    engine = EngineInfo("1", "pack", "standard", ("markers",))
    return Report("/zone/a", "a" * 64, 3, found, (), 3, 0.1, engine)


def policy(*rules, failure="Fail", action="Deny", name="p"):
    """A policy of pairs of expression and verdict."""
    lines = "".join(
        f'    - {{name: r{number}, expression: "{expression}", verdict: {verdict}}}\n'
        for number, (expression, verdict) in enumerate(rules)
    )
    return (
        "apiVersion: lockgate.dev/v1\nkind: TransferPolicy\n"
        f"metadata: {{name: {name}}}\nspec:\n  failurePolicy: {failure}\n  rules:\n{lines}---\n"
        "apiVersion: lockgate.dev/v1\nkind: TransferPolicyBinding\n"
        f"metadata: {{name: {name}}}\nspec: {{policyName: {name}, actions: [{action}]}}\n"
    )


def loaded(*texts):
    """The policy of these texts."""
    return load_texts([Source(str(number), text) for number, text in enumerate(texts)])


@pytest.mark.parametrize(
    ("failure", "verdict"), [("Fail", Verdict.HOLD), ("Ignore", Verdict.ALLOW)]
)
def test_too_many_steps_are_no_value(failure, verdict):
    """A runaway expression holds the file, unless its policy says that it may be overlooked."""
    rules = [(PAIRS.format("a.bits == b.bits"), "BLOCK"), ("true", "ALLOW")]
    runaway = loaded(policy(*rules, failure=failure))
    assert decide(report(20), TRANSFER, runaway, NOW).verdict is Verdict.BLOCK
    many = decide(report(1000), TRANSFER, runaway, NOW)
    assert many.verdict is verdict
    assert many.hold_reason is (HoldReason.POLICY_ERROR if verdict is Verdict.HOLD else None)


@pytest.mark.parametrize("failure", ["Fail", "Ignore"])
def test_spent_time_holds_and_leaves_the_rest_unevaluated(monkeypatch, failure):
    """After the budget is spent no further expression is evaluated, and the file is held."""
    clock = iter(range(1000))
    monkeypatch.setattr(MODULE.time, "thread_time", lambda: next(clock) * 0.1)
    slow = loaded(policy(*[("true", "ALLOW")] * 50, failure=failure))
    decision = decide(report(0), TRANSFER, slow, NOW)
    assert (decision.verdict, decision.hold_reason) == (Verdict.HOLD, HoldReason.POLICY_ERROR)
    assert next(clock) <= 1 + 2 + 50


def test_what_only_tells_cannot_spend_the_budget_of_what_denies(monkeypatch):
    """Policies that deny are evaluated first, wherever they stand."""
    clock = iter(range(1000))
    monkeypatch.setattr(MODULE.time, "thread_time", lambda: next(clock) * 0.01)
    both = loaded(
        policy(*[("false", "BLOCK")] * 50, action="Audit", name="a"),
        policy(("true", "ALLOW"), name="z"),
    )
    assert decide(report(0), TRANSFER, both, NOW).verdict is Verdict.ALLOW


def test_two_hundred_slow_rules_end_within_seconds():
    """Rules that each are within their bounds cannot add up to a standstill."""
    slow = PAIRS.format("!transfer.path.contains('aaaaaaab')")
    many = loaded(policy(*[(slow, "ALLOW")] * 200))
    before = time.thread_time()
    decision = decide(report(90), TRANSFER, many, NOW)
    assert (decision.verdict, decision.hold_reason) == (Verdict.HOLD, HoldReason.POLICY_ERROR)
    assert time.thread_time() - before < 5


@pytest.mark.parametrize(
    "expression",
    [
        PAIRS.format("report.findings != report.findings"),
        PAIRS.format("(report.findings + report.findings).size() == 0"),
        PAIRS.format("transfer.path.matches('(a|aa|aaa){1,40}(a|b)*c(a?){50}')"),
        PAIRS.format("a.algorithm.matches('b{1,100}[a-z]{100}')"),
        PAIRS.format("(transfer.path + transfer.path + transfer.path).contains('x')"),
        "report.findings.map(a, report.findings.map(b, b)).size() > 3",
    ],
)
def test_what_may_take_seconds_is_refused_at_load(expression):
    """The engine cannot be stopped, so it is not started."""
    with pytest.raises(ExpressionError, match="times what one evaluation is allowed"):
        compile_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "report.findings.exists(f, f.algorithm in ['RSA', 'EC', 'DSA'])",
        "report.findings.exists(f, f.occurrences.exists(o, o.member.matches('.*[.]pem$')))",
        "report.findings.all(f, report.findings.exists(g, f.fingerprint == g.fingerprint))",
        "transfer.path.matches('^/zone/[a-z0-9-]{1,64}/core[.][0-9]+$')",
        "transfer.opener.parents.exists(p, p.endsWith('/sshd')) && now.getHours() < 8",
        "report.findings.filter(f, f.bits > 1024u).map(f, f.fingerprint).size() > 3",
    ],
)
def test_what_policies_need_is_not_refused(expression):
    """Ordinary expressions stay far below the bound."""
    assert compile_expression(expression).text == expression
    assert worst_case(compile_expression(expression).program.serialize()) < LARGEST / 3


def test_a_costly_expression_is_a_fault_with_its_place(tmp_path):
    """The whole policy is refused, naming the line."""
    file = tmp_path / "p.yaml"
    file.write_text(policy((PAIRS.format("report == report"), "BLOCK")), "utf-8")
    with pytest.raises(PolicyError, match=r"p.yaml:7:\d+: .*do less inside"):
        load([file])


def test_the_shipped_policy_decides_the_largest_report_within_the_budget():
    """A report at its bound costs the shipped policy a small part of its budget."""
    before = time.thread_time()
    decision = decide(report(1024), TRANSFER, default_policy(), NOW)
    assert decision.verdict is Verdict.ALLOW
    assert time.thread_time() - before < MODULE.BUDGET_SECONDS
