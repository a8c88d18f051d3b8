"""Rulings: what they do to a decision, and what they never do."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.triage.rulings import Ruling, Rulings, TriageAs
from lockgate.policy import decide, default_policy
from lockgate.scan.report import FindingClass
from lockgate.wire.transfer import Verdict

HOUR = timedelta(hours=1)


def ruling(samples, **changes) -> Ruling:
    """A key of the samples counts as a test key for an hour."""
    fields = {
        "id": "r-1",
        "fingerprint": samples.finding().fingerprint,
        "triage_as": TriageAs.TEST,
        "until": samples.now + HOUR,
    }
    return Ruling(**{**fields, **changes})


def verdict(samples, report, rulings, now):
    """What the shipped policy says, through the rulings."""
    triaged = rulings.apply(report, now)
    return triaged.bound(decide(triaged.report, samples.transfer(), default_policy(), now))


@pytest.mark.parametrize("triage_as", list(TriageAs))
def test_a_ruled_key_counts_as_a_test_key_until_the_ruling_ends(samples, triage_as):
    """To the microsecond; the decision names the ruling, and is not used for longer than it."""
    rulings = Rulings([ruling(samples, triage_as=triage_as)])
    report = samples.report(samples.finding())
    allowed = verdict(samples, report, rulings, samples.now)
    assert allowed.verdict is Verdict.ALLOW
    assert "r-1" in allowed.audit[0]
    assert allowed.cache_until is None or allowed.cache_until <= samples.now + HOUR
    late = verdict(samples, report, rulings, samples.now + HOUR)
    assert (late.verdict, late.audit) == (Verdict.BLOCK, ())


def test_a_protected_key_is_never_ruled_on(samples):
    """Neither one that this controller protects nor one that the agent knew as protected."""
    rulings = Rulings([ruling(samples)])
    found = samples.finding()
    raised = ProtectedKeys({found.fingerprint: "x"}).apply(samples.report(found))
    theirs = samples.report(samples.finding(class_=FindingClass.PROTECTED, protected_name="y"))
    for report in (raised, theirs):
        triaged = rulings.apply(report, samples.now)
        assert (triaged.report, triaged.rulings) == (report, ())
        assert verdict(samples, report, rulings, samples.now).verdict is Verdict.QUARANTINE


def test_what_is_beside_a_ruled_key_is_decided_as_ever(samples):
    """A gap and another key stop the file."""
    rulings, ruled = Rulings([ruling(samples)]), samples.finding()
    other = samples.finding(fingerprint="sha256:" + "cd" * 32)
    beside = (samples.report(ruled, other), samples.report(ruled, gaps=(samples.gap(),)))
    for report in beside:
        assert verdict(samples, report, rulings, samples.now).verdict is not Verdict.ALLOW


def test_the_report_keeps_what_was_found(samples):
    """A ruling changes what the policy sees, not the report."""
    report = samples.report(samples.finding())
    Rulings([ruling(samples)]).apply(report, samples.now)
    assert report.findings[0].class_ is FindingClass.PRIVATE


def test_a_report_names_each_of_its_rulings_once_or_more_and_no_other(samples):
    """Keys without a ruling leave no trace."""
    other = Rulings([ruling(samples, fingerprint="sha256:" + "00" * 32)])
    report = samples.report(samples.finding())
    assert other.apply(report, samples.now).rulings == ()
    assert other.apply(report, samples.now).report is report


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # samples keep no state
@given(
    classes=st.lists(st.sampled_from(FindingClass), max_size=6),
    ruled=st.sets(st.integers(0, 5)),
    minutes=st.integers(-120, 120),
)
def test_no_ruling_ever_changes_another_key_or_a_protected_one(samples, classes, ruled, minutes):
    """Whatever is found and whatever is ruled."""
    prints = [f"sha256:{number:064x}" for number in range(6)]
    findings = [
        samples.finding(fingerprint=prints[n], class_=class_) for n, class_ in enumerate(classes)
    ]
    rulings = Rulings(ruling(samples, fingerprint=prints[n]) for n in ruled)
    now = samples.now + timedelta(minutes=minutes)
    seen = rulings.apply(samples.report(*findings), now).report.findings
    for n, (before, after) in enumerate(zip(findings, seen, strict=True)):
        may = n in ruled and minutes < 60 and before.class_ is not FindingClass.PROTECTED
        assert after == before or (may and after.class_ is FindingClass.TEST)
        assert not may or after.class_ is FindingClass.TEST
