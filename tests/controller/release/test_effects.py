"""What a release lets through, what makes it void, and how receipts end it."""

import dataclasses
import json
from datetime import timedelta

import pytest

from lockgate.controller.alerts import ocsf
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.scan.report import FindingClass
from lockgate.wire.transfer import Enforcement, Opener, Verdict, Zone

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def reason_of(answer):
    """The reason of a refusal."""
    assert isinstance(answer, Refusal), answer
    return answer.reason


def opened_by(name, **more):
    """A process of somebody."""
    return Opener(pid=5, uid=1001, user=name, **more)


def test_two_approvals_let_exactly_one_attempt_through(desk, stopped):
    """ALLOW with the release as its rule, for one transfer; its receipt completes the release."""
    release = desk.approved(stopped.first)
    transfer, decision = stopped.again()
    assert (decision.verdict, decision.rule) == (Verdict.ALLOW, f"release:{release.id}")
    assert not decision.opener_independent
    assert decision.cache_until is None
    assert desk.state(release) == "releasing"
    assert stopped.again()[1].verdict is Verdict.BLOCK
    desk.tell(transfer, Enforcement.ALLOWED, Verdict.ALLOW)
    assert desk.state(release) == "released"
    assert stopped.again()[1].verdict is Verdict.BLOCK


def test_every_step_is_in_the_ledger_and_told(desk, stopped):
    """One entry for each step, with the people by id; the alerts of what changed the state."""
    release = desk.approved(stopped.first)
    transfer, _ = stopped.again()
    desk.tell(transfer, Enforcement.ALLOWED, Verdict.ALLOW)
    assert [entry["kind"] for entry in desk.entries("release-")] == [
        "release-requested",
        "release-vote",
        "release-vote",
        "release-approved",
        "release-releasing",
        "release-released",
    ]
    told = [event["unmapped"]["lockgate"]["state"] for event in desk.events("release")]
    assert told == ["requested", "approved", "releasing", "released"]
    assert all(entry["release"] == release.id for entry in desk.entries("release-"))
    text = json.dumps(desk.entries("release-"))
    assert desk.staff["zoe"].id in text
    assert not any(name in text for name in ("ena", "zoe", '"sec"', "/zone/"))


def test_the_agent_is_told_to_ask_again(desk, stopped):
    """With the last vote, not before, by a command that ends with the approval."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe")
    assert desk.commands() == []
    done = desk.vote(release, "sec")
    (command,) = desk.commands()
    assert command.release.transfer_id == stopped.first.transfer_id
    assert command.release.sha256 == stopped.report.sha256
    assert command.expire_time.ToDatetime(tzinfo=desk.now.tzinfo) == done.case.deadline


@pytest.mark.parametrize(
    "changed",
    [
        {"host": "host-2"},
        {"zone": Zone("other", signing=True)},
    ],
    ids=["host", "zone"],
)
def test_a_release_holds_for_its_host_and_zone_only(desk, stopped, changed):
    """The same bytes elsewhere stay stopped, and the release waits on."""
    release = desk.approved(stopped.first)
    assert stopped.again(**changed)[1].verdict is Verdict.BLOCK
    assert desk.state(release) == "approved"


@pytest.mark.parametrize("part", ["bytes", "report", "rule-pack"])
@pytest.mark.parametrize("approved", [False, True], ids=["voting", "approved"])
def test_other_bytes_another_report_or_rule_pack_void_a_release(desk, stopped, part, approved):
    """Votes said something of what is not there any more."""
    release = desk.approved(stopped.first) if approved else desk.request(stopped.first)
    report = stopped.report
    engine = dataclasses.replace(report.engine, rule_pack="rules-2")
    found = dataclasses.replace(report.findings[0], bits=4096)
    other = {
        "bytes": dataclasses.replace(report, sha256="ef" * 32),
        "report": dataclasses.replace(report, findings=(found,)),
        "rule-pack": dataclasses.replace(report, engine=engine),
    }[part]
    assert stopped.again(report=other)[1].verdict is Verdict.BLOCK
    assert desk.state(release) == "void"
    assert stopped.again()[1].verdict is Verdict.BLOCK
    assert reason_of(desk.vote(release, "zac")) is RefusalReason.CONFLICT


def test_a_longer_scan_of_the_same_voids_nothing(desk, stopped):
    """How long a scan took says nothing of the file."""
    desk.approved(stopped.first)
    slower = dataclasses.replace(stopped.report, seconds=99.0)
    assert stopped.again(report=slower)[1].verdict is Verdict.ALLOW


def test_a_key_that_becomes_protected_voids_its_releases(desk, stopped):
    """At the next vote, before anybody opens the file again; and nobody can ask anew."""
    release = desk.request(stopped.first)

    def protect(report):
        raised = [
            dataclasses.replace(f, class_=FindingClass.PROTECTED, protected_name="k")
            for f in report.findings
        ]
        return dataclasses.replace(report, findings=tuple(raised))

    desk.protect = protect
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.CONFLICT
    assert desk.state(release) == "void"
    assert reason_of(desk.request(stopped.first)) is RefusalReason.PROTECTED_KEY


def test_an_approver_gets_no_file_by_their_own_vote(desk, stopped):
    """Their open voids the release instead."""
    release = desk.approved(stopped.first)
    assert stopped.again(opener=opened_by("sec"))[1].verdict is Verdict.BLOCK
    assert desk.state(release) == "void"


def test_a_missing_receipt_fails_the_release_loudly(desk, stopped):
    """And a receipt that comes later still says the truth."""
    release = desk.approved(stopped.first)
    transfer, _ = stopped.again()
    desk.look(16 * MINUTE)
    assert desk.state(release) == "failed"
    assert desk.events("release")[-1]["severity_id"] == ocsf.HIGH
    desk.tell(transfer, Enforcement.ALLOWED, Verdict.ALLOW)
    assert desk.state(release) == "released"


def test_an_opener_that_got_an_error_may_try_again(desk, stopped):
    """Nobody got the file; the agent is told again, and the approval ends when it did."""
    release = desk.approved(stopped.first)
    transfer, _ = stopped.again()
    desk.tell(transfer, Enforcement.DENIED, Verdict.HOLD)
    assert desk.state(release) == "approved"
    assert len(desk.commands()) == 2
    assert stopped.again()[1].verdict is Verdict.ALLOW


def test_an_attempt_whose_opener_was_answered_uses_no_release_up(desk, stopped, samples):
    """Its error came before the decision: no receipt would follow."""
    release = desk.approved(stopped.first)
    late = samples.transfer()
    desk.tell(late, Enforcement.DENIED, Verdict.HOLD)
    assert desk.ask(late, stopped.report).verdict is Verdict.BLOCK
    assert desk.state(release) == "approved"


def test_a_receipt_of_another_host_moves_nothing(desk, stopped):
    """Whatever transfer it names."""
    release = desk.approved(stopped.first)
    transfer, _ = stopped.again()
    desk.tell(dataclasses.replace(transfer, host="host-2"), Enforcement.ALLOWED, Verdict.ALLOW)
    assert desk.state(release) == "releasing"


def test_a_quarantined_file_is_put_back_first(desk, stopped):
    """By command; then it may be opened, and the receipt of that completes the release."""
    first = stopped.first
    desk.tell(first, Enforcement.QUARANTINED, Verdict.QUARANTINE, quarantine_id="q-1")
    release = desk.approved(first)
    assert desk.state(release) == "restoring"
    assert desk.commands()[-1].restore.quarantine_id == "q-1"
    assert stopped.again()[1].verdict is Verdict.BLOCK
    desk.tell(first, Enforcement.RESTORED, Verdict.QUARANTINE, quarantine_id="q-1", opener=None)
    assert desk.state(release) == "approved"
    assert desk.commands()[-1].release.transfer_id == first.transfer_id
    transfer, decision = stopped.again()
    assert decision.verdict is Verdict.ALLOW
    desk.tell(transfer, Enforcement.ALLOWED, Verdict.ALLOW)
    assert desk.state(release) == "released"


def test_a_policy_that_lets_nobody_release_any_more_holds_at_once(desk, stopped):
    """An approval of yesterday's terms is none of today's."""
    desk.approved(stopped.first)
    (policy,) = desk.policy.policies
    rules = tuple(dataclasses.replace(rule, release=None) for rule in policy.rules)
    stricter = dataclasses.replace(policy, rules=rules)
    desk.policy = dataclasses.replace(desk.policy, policies=(stricter,))
    assert stopped.again()[1].verdict is Verdict.BLOCK
