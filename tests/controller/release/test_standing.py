"""What a release rests on, when it is gone between the request and the open."""

import dataclasses
from datetime import timedelta

import pytest

from lockgate.controller.people import people
from lockgate.controller.people.roles import Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.registry import keys
from lockgate.controller.release import releases
from lockgate.controller.release.deadlines import Moment, anchor
from lockgate.controller.release.states import Action
from lockgate.scan.protected import ProtectedKey
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Boundary, Enforcement, Opener, Verdict

MINUTE = timedelta(minutes=1)


def reason_of(answer):
    """The reason of a refusal."""
    assert isinstance(answer, Refusal), answer
    return answer.reason


def opened_by(name):
    """A process of somebody."""
    return Opener(pid=5, uid=1001, user=name)


def with_terms(desk, **changes):
    """Put a policy into force whose rules have other terms of release."""
    (policy,) = desk.policy.policies
    rules = tuple(
        dataclasses.replace(rule, release=dataclasses.replace(rule.release, **changes))
        if rule.release
        else rule
        for rule in policy.rules
    )
    changed = dataclasses.replace(policy, rules=rules)
    desk.policy = dataclasses.replace(desk.policy, policies=(changed,))


def register(desk, report):
    """Protect the key of a report in the store; what memory knows stays as it is."""
    (finding,) = report.findings
    key = ProtectedKey("signing", finding.fingerprint, finding.algorithm, finding.bits, None)
    with desk.engine.begin() as connection:
        keys.put(connection, desk.ledger, [key], uuid7(), [], desk.now)


def give_roles(desk, name, *roles):
    """Let somebody have these roles and no others."""
    with desk.engine.begin() as connection:
        made = people.put(connection, desk.ledger, name, frozenset(roles), desk.now)
    desk.staff[name] = made


@pytest.mark.parametrize(
    "changes",
    [{"reviewers": ("zone-owner", "security", "on-call")}, {"break_glass": None}],
    ids=["more-reviewers", "no-glass"],
)
def test_a_policy_with_other_terms_ends_a_review(desk, stopped, changes):
    """Votes were cast on terms that are not in force any more."""
    release = desk.request(stopped.first)
    with_terms(desk, **changes)
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.CONFLICT
    assert desk.state(release) == "void"


def test_an_approval_on_other_terms_lets_nothing_through(desk, stopped):
    """Two approved, the policy asks for three now."""
    desk.approved(stopped.first)
    with_terms(desk, reviewers=("zone-owner", "security", "on-call"))
    assert stopped.again()[1].verdict is Verdict.BLOCK


@pytest.mark.parametrize("action", [Action.APPROVE, Action.BREAK_GLASS])
def test_a_key_that_was_just_protected_ends_a_review_before_memory_knows(desk, stopped, action):
    """The store is asked, also by who breaks the glass."""
    release = desk.request(stopped.first)
    register(desk, stopped.report)
    assert reason_of(desk.vote(release, "sec", action)) is RefusalReason.CONFLICT
    assert desk.state(release) == "void"


def test_a_key_that_was_just_protected_lets_no_approved_file_through(desk, stopped):
    """Not in the moment before memory follows the store either."""
    release = desk.approved(stopped.first)
    register(desk, stopped.report)
    assert stopped.again()[1].verdict is Verdict.BLOCK
    assert desk.state(release) == "void"


def test_who_lost_the_role_of_a_vote_has_not_voted(desk, stopped):
    """Somebody else is needed; and with the role back there is no second vote."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe")
    give_roles(desk, "zoe", Role.VIEWER)
    assert desk.vote(release, "sec").case.state.value == "voting"
    give_roles(desk, "zoe", Role.ZONE_OWNER)
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.VOTED
    assert desk.vote(release, "zac").case.state.value == "approved"


@pytest.mark.parametrize("gone", [True, False], ids=["removed", "role-lost"])
def test_an_approval_ends_with_those_who_gave_it(desk, stopped, gone):
    """Who is turned out after approving lets nothing out any more."""
    release = desk.approved(stopped.first)
    if gone:
        with desk.engine.begin() as connection:
            people.remove(connection, desk.ledger, desk.staff["sec"], desk.now)
    else:
        give_roles(desk, "sec", Role.ENGINEER)
    assert stopped.again()[1].verdict is Verdict.BLOCK
    assert desk.state(release) == "void"


def test_a_release_holds_for_its_boundary_only(desk, stopped):
    """What may be opened on the host may not therefore leave it."""
    desk.approved(stopped.first)
    assert stopped.again(boundary=Boundary.OUTBOX)[1].verdict is Verdict.BLOCK
    assert stopped.again()[1].verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("opener", "is_let_through"),
    [
        (opened_by("ENA@corp.example"), True),
        (opened_by("olaf"), True),
        (Opener(pid=5, uid=0, user="root", login_user="olaf"), True),
        (None, True),
        (opened_by("mallory"), False),
        (opened_by("root"), False),
        (opened_by(""), False),
    ],
    ids=["who-asked", "who-was-stopped", "behind-sudo", "no-opener", "other", "root", "nameless"],
)
def test_a_released_file_is_for_nobody_else(desk, samples, opener, is_let_through):
    """Whoever waits for an approval of others and opens first stays stopped; it is not used up."""
    report = samples.report(samples.finding())
    first = samples.transfer(opener=opened_by("olaf"))
    desk.ask(first, report)
    release = desk.approved(first)
    verdict = desk.ask(samples.transfer(opener=opener), report).verdict
    assert (verdict is Verdict.ALLOW) is is_let_through
    assert desk.state(release) == ("releasing" if is_let_through else "approved")


def test_receipts_without_an_approval_move_nothing(desk, stopped):
    """Whatever an agent says that it did with a file nobody released."""
    release = desk.request(stopped.first)
    for done in (Enforcement.ALLOWED, Enforcement.RESTORED, Enforcement.NOT_ENFORCED):
        desk.tell(stopped.first, done, Verdict.ALLOW, opener=None)
    assert desk.state(release) == "requested"
    assert stopped.again()[1].verdict is Verdict.BLOCK


def test_an_attempt_asked_about_again_is_allowed_only_in_its_time(desk, stopped):
    """The agent may not have heard the answer; after the deadline nobody gives it again."""
    desk.approved(stopped.first)
    transfer, decision = stopped.again()
    assert decision.verdict is Verdict.ALLOW
    assert desk.ask(transfer, stopped.report).verdict is Verdict.ALLOW
    desk.now += 16 * MINUTE
    assert desk.ask(transfer, stopped.report).verdict is Verdict.BLOCK


def test_who_asks_for_the_bytes_on_another_host_loses_the_vote_on_them(desk, stopped):
    """An interest in the bytes is one in all releases of them."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe")
    elsewhere, _ = stopped.again(host="host-2")
    desk.request(elsewhere, by="zoe")
    assert [e["person"] for e in desk.entries("release-vote-dropped")] == [desk.staff["zoe"].id]
    assert desk.vote(release, "sec").case.state.value == "voting"


def test_who_had_the_bytes_while_they_were_allowed_reviews_them_not(desk, stopped, samples):
    """Opening them was having to do with them, whatever the policy said then."""
    policy = desk.policy
    (only,) = policy.policies
    allowing = [dataclasses.replace(rule, verdict=Verdict.ALLOW, wait=None) for rule in only.rules]
    lenient = dataclasses.replace(only, rules=tuple(allowing))
    desk.policy = dataclasses.replace(policy, policies=(lenient,))
    assert stopped.again(opener=opened_by("zoe"))[1].verdict is Verdict.ALLOW
    desk.policy = policy
    release = desk.request(stopped.first)
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.TOUCHED


def test_a_receipt_counts_for_the_release_that_waits_for_it(desk, stopped):
    """An earlier release of the same file, which failed, does not swallow it."""
    first = stopped.first
    desk.tell(first, Enforcement.QUARANTINED, Verdict.QUARANTINE, quarantine_id="q-1")
    failed = desk.approved(first)
    desk.look(16 * MINUTE)
    again = desk.approved(first)
    assert (desk.state(failed), desk.state(again)) == ("failed", "restoring")
    desk.tell(first, Enforcement.RESTORED, Verdict.QUARANTINE, quarantine_id="q-1", opener=None)
    assert desk.state(again) == "approved"


def test_a_clock_set_back_ends_what_is_being_put_back(desk, stopped):
    """Its approval would last longer, too."""
    first = stopped.first
    desk.tell(first, Enforcement.QUARANTINED, Verdict.QUARANTINE, quarantine_id="q-1")
    release = desk.approved(first)
    desk.look(MINUTE, -20 * MINUTE)
    assert desk.state(release) == "void"


def test_a_clock_set_back_while_a_file_moves_leaves_no_further_attempt(desk, stopped):
    """The one that runs ends with its receipt."""
    release = desk.approved(stopped.first)
    transfer, _ = stopped.again()
    desk.look(MINUTE, -20 * MINUTE)
    desk.tell(transfer, Enforcement.DENIED, Verdict.HOLD)
    assert stopped.again()[1].verdict is Verdict.BLOCK
    desk.look(20 * MINUTE)
    assert desk.state(release) == "expired"


def test_small_steps_of_the_clock_add_up(samples):
    """Each is too small to be told, all together are not."""
    start = Moment(samples.now, 0.0)
    told = start
    for turn in range(1, 4):
        now = Moment(samples.now + turn * timedelta(seconds=5 - 20), 5.0 * turn)
        before, told = told, anchor(told, now)
        assert (told is now) == (turn == 2)
        assert before is (start if turn < 3 else before)


def test_what_is_overdue_is_ended_in_portions(desk, stopped, monkeypatch):
    """Decisions are made in between; nothing is left over."""
    monkeypatch.setattr("lockgate.controller.release.deadlines.MOST_AT_ONCE", 2)
    for number in range(3):
        stopped.again(report=dataclasses.replace(stopped.report, sha256=f"{number:064x}"))
    counts = [desk.look(25 * timedelta(hours=1)), desk.look(), desk.look()]
    assert counts == [2, 2, 0]


def test_nobody_has_endless_releases_open(desk, stopped, monkeypatch):
    """Every decision near them pays for them."""
    monkeypatch.setattr(releases, "MOST_WAITING", 1)
    desk.request(stopped.first)
    other = dataclasses.replace(stopped.report, sha256="1" * 64)
    transfer, _ = stopped.again(report=other, path="/zone/other")
    assert reason_of(desk.request(transfer)) is RefusalReason.CONFLICT
    assert not isinstance(desk.request(transfer, by="ona"), Refusal)


def test_no_command_is_sent_that_would_come_too_late(desk, stopped):
    """Nobody got the file, and the approval is over: the agent is told nothing more."""
    desk.approved(stopped.first)
    transfer, _ = stopped.again()
    sent = len(desk.commands())
    desk.now += timedelta(hours=2)
    desk.tell(transfer, Enforcement.DENIED, Verdict.HOLD)
    assert len(desk.commands()) == sent
