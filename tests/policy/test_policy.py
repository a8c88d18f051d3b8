"""Policies: what is refused at load, the shipped defaults, and the floor below all policies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.policy import PolicyError, decide, default_policy, load
from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Gap,
    GapReason,
    Occurrence,
    Report,
)
from lockgate.wire.transfer import (
    Boundary,
    FileIdentity,
    HoldReason,
    Opener,
    Transfer,
    Verdict,
    Zone,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
BOUND = """
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBinding
metadata: {name: b}
spec: {policyName: p, actions: [Deny]}
"""


def transfer(*, signing=False, opener=None):
    """A transfer over a guarded open."""
    return Transfer(
        transfer_id="01890a5d-ac96-774b-bcce-b302099a8057",
        zone=Zone("prod", signing=signing),
        host="host1",
        boundary=Boundary.OPEN,
        path="/zone/core.1",
        identity=FileIdentity(1, 2, 3, 4, 5),
        opener=opener,
        attempt_time=NOW,
    )


def report(*classes, gaps=(), sha256="a" * 64):
    """A report with one finding of each class."""
    place = (Occurrence("pem", 0, 1),)
    findings = tuple(
        Finding(FindingKind.PRIVATE_KEY, c, "RSA", 2048, "sha256:" + "b" * 64, (), place)
        for c in classes
    )
    engine = EngineInfo("1", "pack", "standard", ("markers",))
    return Report("/zone/core.1", sha256, 3, findings, tuple(gaps), 3, 0.1, engine)


def policy(tmp_path, rules, head="", binding=BOUND):
    """A loaded policy of the YAML text of its rules."""
    text = "apiVersion: lockgate.dev/v1\nkind: TransferPolicy\nmetadata: {name: p}\nspec:\n"
    file = tmp_path / "policy.yaml"
    file.write_text(f"{text}{head}  rules:\n{rules}{binding}", "utf-8")
    return load([file])


def rule(expression, verdict="ALLOW", name="r", more=""):
    """The YAML of one rule."""
    return f"    - {{name: {name}, expression: '{expression}', verdict: {verdict}{more}}}\n"


DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("class_", "signing", "verdict", "page", "wait_for", "within", "warned"),
    [
        ("protected", False, "QUARANTINE", True, "on-call", timedelta(minutes=15), False),
        ("private", False, "BLOCK", False, "zone-owner", DAY, False),
        ("credential", False, "BLOCK", False, "zone-owner", DAY, False),
        ("session", True, "HOLD", False, "zone-owner", DAY, False),
        ("session", False, "ALLOW", False, "", None, True),
        ("rng", False, "ALLOW", False, "", None, False),
        ("test", False, "ALLOW", False, "", None, True),
        ("encrypted", False, "HOLD", False, "zone-owner", DAY, False),
    ],
)
def test_the_shipped_policy_treats_each_class_as_documented(
    class_, signing, verdict, page, wait_for, within, warned
):
    """Each row of the table of defaults holds."""
    seen = report(FindingClass(class_))
    decision = decide(seen, transfer(signing=signing), default_policy(), NOW)
    assert (decision.verdict, decision.page, decision.wait_for) == (verdict, page, wait_for)
    assert decision.wait_until == (NOW + within if within else None)
    assert bool(decision.warnings) is warned
    assert decision.cache_until is None


def test_the_shipped_policy_holds_gaps_and_caches_clean_files():
    """A gap waits four hours for a deep scan; a clean file is allowed for a day."""
    held = decide(report(gaps=[Gap(GapReason.BUDGET)]), transfer(), default_policy(), NOW)
    assert (held.verdict, held.hold_reason) == (Verdict.HOLD, HoldReason.GAP)
    assert held.wait_until == NOW + timedelta(hours=4)
    clean = decide(report(), transfer(), default_policy(), NOW)
    assert (clean.verdict, clean.cache_until) == (Verdict.ALLOW, NOW + DAY)
    assert clean.opener_independent
    assert len(clean.policy_digest) == 64


reports = st.builds(
    lambda classes, gaps, sha256: report(*classes, gaps=[Gap(g) for g in gaps], sha256=sha256),
    st.lists(st.sampled_from(list(FindingClass)), max_size=4),
    st.lists(st.sampled_from(list(GapReason)), max_size=2),
    st.sampled_from(["a" * 64, None]),
)


@given(reports, st.booleans())
def test_the_shipped_policy_never_allows_what_blocks_or_was_not_seen(seen, signing):
    """No mixture of findings and gaps gets a key or an unread byte across."""
    decision = decide(seen, transfer(signing=signing), default_policy(), NOW)
    blocking = {FindingClass.PROTECTED, FindingClass.PRIVATE, FindingClass.CREDENTIAL}
    classes = {finding.class_ for finding in seen.findings}
    if seen.gaps or seen.sha256 is None or classes & blocking:
        assert decision.verdict is not Verdict.ALLOW
    if FindingClass.PROTECTED in classes:
        assert decision.verdict is Verdict.QUARANTINE


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (report(gaps=[Gap(GapReason.TIME_LIMIT)]), HoldReason.GAP),
        (report(sha256=None), HoldReason.GAP),
        (report(FindingClass.PROTECTED), HoldReason.POLICY),
        (replace(report(), size=4), HoldReason.CHANGED),
    ],
)
def test_no_policy_can_lower_the_floor(tmp_path, seen, reason):
    """A policy that allows everything still holds gaps and protected keys."""
    decision = decide(
        seen, transfer(), policy(tmp_path, rule("true", more=", cache: {for: 1h}")), NOW
    )
    assert (decision.verdict, decision.hold_reason) == (Verdict.HOLD, reason)
    assert decision.cache_until is None


def test_the_strictest_matching_rule_wins(tmp_path):
    """Order of the rules does not matter; the strictest verdict speaks."""
    rules = [rule("true", verdict, verdict.lower()) for verdict in ("ALLOW", "QUARANTINE", "BLOCK")]
    decision = decide(report(), transfer(), policy(tmp_path, "".join(rules)), NOW)
    assert (decision.verdict, decision.rule) == (Verdict.QUARANTINE, "quarantine")


def test_no_matching_rule_holds(tmp_path):
    """What no rule speaks of is held."""
    decision = decide(report(), transfer(), policy(tmp_path, rule("false")), NOW)
    assert decision.hold_reason is HoldReason.NO_RULE


DIVISION = "report.size / (report.size - report.size) == 1u"
LIST = "[" + ",".join("0123456789") + "]"
RUNAWAY = "".join(f"{LIST}.all({v}, " for v in "abcdefgh") + "true" + ")" * 8


@pytest.mark.parametrize("expression", [DIVISION, RUNAWAY])
def test_an_expression_without_a_value_holds(tmp_path, expression):
    """A fault or a runaway expression holds, although another rule allows."""
    rules = rule(expression, name="bad") + rule("true", name="good")
    decision = decide(report(), transfer(), policy(tmp_path, rules), NOW)
    assert (decision.hold_reason, decision.rule) == (HoldReason.POLICY_ERROR, "bad")
    ignoring = policy(tmp_path, rules, head="  failurePolicy: Ignore\n")
    assert decide(report(), transfer(), ignoring, NOW).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("expression", "independent"),
    [
        ("report.size > 0u", True),
        ("transfer.zone.signing", True),
        ("transfer.opener.uid == 0u", False),
        ("has(transfer.opener)", False),
        ("[transfer].exists(t, t.host == 'x')", False),
        ("dyn(transfer) == dyn(report)", False),
    ],
)
def test_only_rules_that_cannot_read_the_opener_are_independent(tmp_path, expression, independent):
    """In doubt a verdict belongs to one opener."""
    quoted = expression.replace("'", "''")
    rules = rule(quoted, "BLOCK", "o") + rule("true")
    seen = decide(report(), transfer(opener=Opener(1, 0)), policy(tmp_path, rules), NOW)
    assert seen.opener_independent is independent


def test_a_warning_binding_adds_its_sentence_and_does_not_decide(tmp_path):
    """The verdict comes from elsewhere, or from nowhere."""
    binding = BOUND.replace("Deny", "Warn")
    decision = decide(
        report(), transfer(), policy(tmp_path, rule("true", "BLOCK"), binding=binding), NOW
    )
    assert (decision.hold_reason, decision.warnings) == (HoldReason.NO_RULE, ("r",))


def test_an_audit_binding_is_kept_and_does_not_decide(tmp_path):
    """What its rules say, and that one had no value, stands in the decision for the ledger."""
    rules = rule("true", "BLOCK") + rule("1u / (report.size - 3u) > 0u", "HOLD", "broken")
    audited = policy(tmp_path, rules, binding=BOUND.replace("Deny", "Audit"))
    decision = decide(report(), transfer(), audited, NOW)
    assert (decision.hold_reason, decision.warnings) == (HoldReason.NO_RULE, ())
    assert decision.audit == ("p/r: BLOCK", "p/broken: no value")


def test_a_binding_of_another_zone_does_not_apply(tmp_path):
    """Zones, boundaries and hosts of a binding are all asked."""
    binding = BOUND.replace("actions", "matchResources: {zones: [other]}, actions")
    decision = decide(report(), transfer(), policy(tmp_path, rule("true"), binding=binding), NOW)
    assert decision.hold_reason is HoldReason.NO_RULE


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            rule("report.sizee > 3u"),
            r'policy.yaml:6:37: .* has no field "sizee"; the nearest known name is "size"',
        ),
        (rule("report.size > 3"), r'policy.yaml:6:42: .*">" takes no \(uint, int\); .*"u"'),
        (rule("report.size"), "not a truth value"),
        (rule("true", "ALOW"), "'ALOW' is not one of ALLOW, HOLD"),
        (
            rule("true", more=", pagee: true"),
            'policy.yaml:6.*unknown key; the nearest known name is "page"',
        ),
        (rule("true") * 2, "each with its own name"),
        (rule("true", "BLOCK", more=", cache: {for: 1h}"), "only a rule with verdict ALLOW"),
        (rule("true", more=", cache: {for: 1 hour}"), "time span"),
        (rule("true", more=", name: again"), "given twice"),
        ("    - &a {name: r}\n    - *a\n", "aliases"),
        ("    - [\n", "not plain YAML"),
        ("    - !!python/object:os.system {}\n", "tags are not allowed"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(tmp_path, rules, said):
    """Every mistake is found at load and named."""
    with pytest.raises(PolicyError, match=said):
        policy(tmp_path, rules)


def test_a_policy_that_nothing_binds_is_refused(tmp_path):
    """A policy that could never apply is a mistake."""
    with pytest.raises(PolicyError, match="no binding names it"):
        policy(tmp_path, rule("true"), binding="")


def test_the_digest_is_of_the_content(tmp_path):
    """Comments do not change the digest; a verdict does."""
    first = policy(tmp_path, rule("true")).digest
    assert policy(tmp_path, "    # why\n" + rule("true")).digest == first
    assert policy(tmp_path, rule("true", "HOLD")).digest != first


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_a_policy_error(tmp_path_factory, raw):
    """Loading hostile bytes ends in one kind of error."""
    file = tmp_path_factory.mktemp("p") / "p.yaml"
    file.write_bytes(raw)
    with pytest.raises(PolicyError):
        load([file])


@pytest.mark.parametrize("path", sorted((ROOT / "packaging" / "policies").glob("*.yaml")), ids=str)
def test_the_example_policies_load(path):
    """Every shipped example is a policy."""
    assert load([path]).digest


def test_the_example_in_the_manual_loads(tmp_path):
    """The policies printed in docs/policy.md are policies."""
    blocks = (ROOT / "docs" / "policy.md").read_text("utf-8").split("```yaml\n")[1:]
    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block.split("```")[0], "utf-8")
        assert load([file]).digest
