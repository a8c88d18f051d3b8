"""On what terms people may release: read with positions, added up, and never below the floor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.policy import PolicyError, decide, default_policy, load
from lockgate.policy.canary import CANARY
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
from lockgate.wire.terms import ANY, REVIEWERS, BreakGlass, ReleaseTerms, combined, fits
from lockgate.wire.transfer import Boundary, FileIdentity, Transfer, Verdict, Zone

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHIPPED = ReleaseTerms(
    ("zone-owner", "security"),
    24 * HOUR,
    HOUR,
    BreakGlass(("on-call", "security", "zone-owner"), HOUR / 4, HOUR / 2),
)
PAGE = """apiVersion: lockgate.dev/v1
kind: TransferPolicy
metadata: {name: p}
spec:
  rules:
    - name: a
      expression: "true"
      verdict: VERDICT
      release: RELEASE
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBinding
metadata: {name: b}
spec: {policyName: p, actions: [Deny]}
"""

seats = st.lists(st.sampled_from((*REVIEWERS, ANY)), min_size=2, max_size=5).map(tuple)
spans = st.integers(1, 100).map(lambda hours: hours * HOUR)
terms = st.builds(ReleaseTerms, seats, spans, spans)


def finding(class_, **more):
    """One key of a class."""
    place = (Occurrence("pem", 0, 1),)
    fields = (FindingKind.PRIVATE_KEY, class_, "RSA", 2048, "sha256:" + "b" * 64, (), place)
    return Finding(*fields, **more)


def decided(*findings, gaps=(), size=3, policy=None, signing=True):
    """What a policy says of a file with these keys."""
    where = (Zone("prod", signing=signing), "host1", Boundary.OPEN, "/zone/f")
    seen = FileIdentity(1, 2, 3, 4, 5)
    transfer = Transfer("01890a5d-ac96-774b-bcce-b302099a8057", *where, seen, None, NOW)
    engine = EngineInfo("1", "pack", "standard", ("markers",))
    report = Report("/zone/f", "a" * 64, size, findings, gaps, 3, 0.1, engine)
    return decide(report, transfer, policy or default_policy(), NOW)


def loaded(tmp_path, release, verdict="BLOCK"):
    """A policy with these terms on its one rule."""
    path = tmp_path / "p.yaml"
    path.write_text(PAGE.replace("RELEASE", release).replace("VERDICT", verdict))
    return load([path])


@pytest.mark.parametrize(
    "class_",
    [
        FindingClass.PRIVATE,
        FindingClass.CREDENTIAL,
        FindingClass.SESSION,
        FindingClass.ENCRYPTED,
    ],
)
def test_the_shipped_policy_takes_two_people_of_two_roles(class_):
    """For each class that people may release at all."""
    decision = decided(finding(class_))
    assert decision.verdict is not Verdict.ALLOW
    assert decision.release == SHIPPED


@pytest.mark.parametrize(
    "file",
    [
        {"findings": (finding(FindingClass.PROTECTED, protected_name="k"),)},
        {"findings": (finding(FindingClass.PRIVATE),), "gaps": (Gap(GapReason.DAMAGED),)},
        {"findings": (finding(FindingClass.PRIVATE),), "size": 4},
        {
            "findings": (
                finding(FindingClass.PRIVATE),
                replace(
                    finding(FindingClass.PROTECTED, protected_name=CANARY),
                    fingerprint="sha256:" + "c" * 64,
                ),
            )
        },
    ],
    ids=["protected", "gap", "changed", "canary"],
)
def test_below_the_floor_nobody_releases(tmp_path, file):
    """Whatever a policy says: the terms of its rules go for nothing."""
    policy = loaded(tmp_path, "{reviewers: [any, any], within: 1h, validFor: 1h}")
    more = {key: value for key, value in file.items() if key != "findings"}
    for which in (policy, default_policy()):
        decision = decided(*file["findings"], **more, policy=which)
        assert decision.verdict is not Verdict.ALLOW
        assert decision.release is None


def test_what_is_allowed_has_nothing_to_release():
    """Neither a clean file nor one with a key that may leave."""
    assert decided().release is None
    assert decided(finding(FindingClass.TEST)).release is None


@pytest.mark.parametrize(
    ("release", "verdict", "complaint"),
    [
        ("{reviewers: [security], within: 1h, validFor: 1h}", "BLOCK", "2 to 6 reviewers"),
        ("{reviewers: [securty, any], within: 1h, validFor: 1h}", "BLOCK", '"security"'),
        ("{reviewers: [administrator, any], within: 1h, validFor: 1h}", "BLOCK", "not one of"),
        ("{reviewers: [any, any], validFor: 1h}", "BLOCK", '"within" is missing'),
        ("{reviewers: [any, any], within: 1h, validFor: 1h}", "ALLOW", "nothing to release"),
        (
            (
                "{reviewers: [any, any], within: 1h, validFor: 1h,"
                " breakGlass: {by: [any], within: 1h, validFor: 1h}}"
            ),
            "BLOCK",
            "'any' is not one of",
        ),
        (
            (
                "{reviewers: [any, any], within: 1h, validFor: 1h,"
                " breakGlass: {by: [], within: 1h, validFor: 1h}}"
            ),
            "BLOCK",
            "at least one role",
        ),
    ],
)
def test_wrong_terms_are_refused_at_their_place(tmp_path, release, verdict, complaint):
    """With the line, and the nearest word where one is misspelt."""
    with pytest.raises(PolicyError) as refused:
        loaded(tmp_path, release, verdict)
    assert complaint in str(refused.value)
    assert "p.yaml:" in str(refused.value)


@given(st.lists(terms, min_size=1, max_size=4))
def test_combined_terms_keep_all_of_each(given_terms):
    """As many people of each role and in all as any of them asks for, and no more time."""
    both = combined(given_terms)
    for one in given_terms:
        assert len(both.reviewers) >= len(one.reviewers)
        assert all(both.reviewers.count(r) >= one.reviewers.count(r) for r in REVIEWERS)
        assert both.within <= one.within
        assert both.valid_for <= one.valid_for
    assert combined([*given_terms, None]) is None


def test_no_terms_at_all_release_nothing():
    """A file that no rule stops by name (no rule spoke) has no terms."""
    assert combined([]) is None


def test_a_way_past_the_review_needs_every_rules_leave():
    """Of two rules, both have one, and somebody whom both trust with it."""
    on_call = replace(SHIPPED, break_glass=BreakGlass(("on-call",), HOUR, HOUR))
    assert combined([SHIPPED, on_call]).break_glass.by == ("on-call",)
    assert combined([SHIPPED, replace(SHIPPED, break_glass=None)]).break_glass is None
    owner = replace(SHIPPED, break_glass=BreakGlass(("service-owner",), HOUR, HOUR))
    assert combined([SHIPPED, owner]).break_glass is None


def test_any_seat_is_for_reviewers_only():
    """Engineers and administrators review nothing."""
    assert fits(frozenset({"on-call"}), ANY)
    assert not fits(frozenset({"engineer", "administrator"}), ANY)
    assert not fits(frozenset({"security"}), "zone-owner")
