"""Releases in the store: what may be asked for, who may vote, and what others see of it."""

import dataclasses
import hashlib
import json

import pytest
from sqlalchemy import delete, select

from lockgate.controller.alerts import ocsf
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.hosts import restoring
from lockgate.controller.people import people
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release import cases, showing
from lockgate.controller.release.schema import holds, release_touches, release_votes
from lockgate.controller.release.states import Action, State
from lockgate.controller.retention import erasure
from lockgate.controller.store.schema import verdicts
from lockgate.policy.canary import CANARY
from lockgate.scan.report import FindingClass
from lockgate.v1 import review_pb2
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, Opener, Verdict


def reason_of(answer):
    """The reason of a refusal."""
    assert isinstance(answer, Refusal), answer
    return answer.reason


def opened_by(name, **more):
    """A process of somebody."""
    return Opener(pid=5, uid=1001, user=name, **more)


def test_a_protected_key_is_released_by_nobody(desk, samples):
    """Neither asked for nor broken out."""
    finding = samples.finding(class_=FindingClass.PROTECTED, protected_name="signing")
    transfer = samples.transfer()
    assert desk.ask(transfer, samples.report(finding)).verdict is Verdict.QUARANTINE
    assert reason_of(desk.request(transfer)) is RefusalReason.PROTECTED_KEY


def test_what_was_not_looked_at_is_released_by_nobody(desk, samples):
    """A gap may hide any key, a protected one too."""
    transfer = samples.transfer()
    desk.ask(transfer, samples.report(samples.finding(), gaps=(samples.gap(),)))
    assert reason_of(desk.request(transfer)) is RefusalReason.NOT_RELEASABLE


def test_only_what_is_stopped_can_be_asked_for(desk, samples):
    """A clean file needs no release, an unknown transfer is none."""
    clean = samples.transfer()
    desk.ask(clean, samples.report())
    assert reason_of(desk.request(clean)) is RefusalReason.CONFLICT
    assert reason_of(desk.request(samples.transfer())) is RefusalReason.NOT_FOUND


def test_the_same_bytes_have_one_open_release_at_a_time(desk, stopped):
    """Another one only when the first is over."""
    release = desk.request(stopped.first)
    assert reason_of(desk.request(stopped.first, by="ona")) is RefusalReason.CONFLICT
    assert desk.withdraw(release).case.state is State.WITHDRAWN
    assert desk.request(stopped.first, by="ona").case.state is State.REQUESTED


@pytest.mark.parametrize(
    "opener",
    [opened_by("zoe"), opened_by("root", login_user="zoe"), opened_by("ZOE@corp.example")],
    ids=["user", "login-user", "domain"],
)
def test_nobody_reviews_what_they_opened(desk, samples, opener):
    """Whether as its user, behind sudo, or under a domain's name."""
    transfer = samples.transfer(opener=opener)
    desk.ask(transfer, samples.report(samples.finding()))
    release = desk.request(transfer)
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.TOUCHED
    assert desk.vote(release, "zac").case.state is State.VOTING


def test_who_touches_the_bytes_on_another_host_reviews_them_nowhere(desk, stopped):
    """The bytes are the same, so is the interest in them."""
    release = desk.request(stopped.first)
    stopped.again(host="host-9", path="/elsewhere", opener=opened_by("zoe"))
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.TOUCHED


def test_who_opens_the_file_after_voting_loses_the_vote(desk, stopped):
    """It counts no more, the ledger says so, and another person is needed."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe")
    stopped.again(opener=opened_by("zoe"))
    (dropped,) = desk.entries("release-vote-dropped")
    assert dropped["person"] == desk.staff["zoe"].id
    assert desk.vote(release, "sec").case.state is State.VOTING
    assert desk.vote(release, "zac").case.state is State.APPROVED


def test_a_later_attempt_of_the_same_verdict_counts_as_touching(desk, stopped):
    """The agent uses a verdict again; its receipts say who tried."""
    release = desk.request(stopped.first)
    desk.tell(stopped.first, Enforcement.DENIED, opener=opened_by("zoe"))
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.TOUCHED


def test_votes_are_commitments_in_the_ledger_until_all_have_voted(desk, stopped):
    """Then they are opened, and what is opened is what was cast."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe", Action.DECLINE)
    (cast,) = desk.entries("release-vote")
    assert "decline" not in json.dumps(desk.ledger.entries)
    assert "grounds" not in json.dumps(desk.ledger.entries)
    desk.vote(release, "sec")
    (ended,) = desk.entries("release-declined")
    opened = next(v for v in ended["votes"] if v["person"] == cast["person"])
    text = json.dumps([opened["choice"], opened["reason"]], separators=(",", ":"))
    salted = bytes.fromhex(opened["salt"]) + text.encode()
    assert cast["vote"] == "sha256:" + hashlib.sha256(salted).hexdigest()


def test_a_view_shows_who_voted_and_later_what(desk, stopped):
    """And nowhere a path, a byte, or a name that a process had."""
    release = desk.request(stopped.first)

    def view(shown):
        with desk.engine.begin() as connection:
            return showing.release(connection, shown, findings=True)

    half = view(desk.vote(release, "zoe", Action.DECLINE))
    assert (list(half.voted), list(half.votes)) == (["zoe"], [])
    assert (half.owner, list(half.reviewers)) == ("security", ["zone-owner", "security"])
    full = view(desk.vote(release, "sec"))
    assert full.state == review_pb2.RELEASE_STATE_DECLINED
    assert {(v.person, v.choice) for v in full.votes} == {
        ("zoe", review_pb2.VOTE_CHOICE_DECLINE),
        ("sec", review_pb2.VOTE_CHOICE_APPROVE),
    }
    (finding,) = full.findings
    assert (finding.occurrences[0].format, finding.occurrences[0].offset) == ("pem", 10)
    assert stopped.first.path.encode() not in full.SerializeToString()
    assert (full.size, full.host, full.zone.name) == (4096, "host-1", "signing")


def test_breaking_the_glass_takes_two_and_is_always_critical(desk, stopped):
    """Each of the two steps is told, and all that follows from it."""
    release = desk.request(stopped.first)
    first = desk.vote(release, "ona", Action.BREAK_GLASS)
    assert first.case.state is State.BREAK_GLASS
    assert stopped.again()[1].verdict is Verdict.BLOCK
    assert reason_of(desk.vote(release, "ona", Action.BREAK_GLASS)) is RefusalReason.VOTED
    desk.vote(release, "sec", Action.BREAK_GLASS)
    transfer, decision = stopped.again()
    assert decision.verdict is Verdict.ALLOW
    desk.tell(transfer, Enforcement.ALLOWED, Verdict.ALLOW)
    told = [e for e in desk.events("release") if e["unmapped"]["lockgate"]["glass_broken"]]
    states = [e["unmapped"]["lockgate"]["state"] for e in told]
    assert states == ["break-glass", "approved", "releasing", "released"]
    assert {e["severity_id"] for e in told} == {ocsf.CRITICAL}


def test_who_put_a_file_back_reviews_it_no_more(desk, stopped):
    """Restoring by hand is having to do with it."""
    first = stopped.first
    release = desk.request(first)
    desk.tell(first, Enforcement.RESTORED, Verdict.QUARANTINE, opener=opened_by("zoe"))
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.TOUCHED


def test_a_vote_that_counts_no_more_stays_on_record(desk, stopped):
    """What was said and by whom can be told for ever."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe")
    stopped.again(opener=opened_by("zoe"))
    with desk.engine.begin() as connection:
        (row,) = connection.execute(select(release_votes)).all()
    assert (row.person, row.choice, row.counts) == (desk.staff["zoe"].id, "approve", False)


def test_who_asked_reviews_it_under_no_other_identity(desk, stopped):
    """Removed and added again with a reviewer's role, they are still who asked."""
    release = desk.request(stopped.first)
    desk.staff["ena"] = dataclasses.replace(desk.staff["zac"], id=uuid7(), name="ena")
    assert reason_of(desk.vote(release, "ena")) is RefusalReason.TOUCHED


def test_a_release_whose_verdict_expired_can_still_be_seen(desk, stopped):
    """Without what stood in the verdict only; and nobody votes on it any more."""
    release = desk.request(stopped.first)
    with desk.engine.begin() as connection:
        connection.execute(delete(verdicts))
        seen = showing.release(connection, release, findings=True)
    assert (seen.sha256, seen.size, list(seen.findings)) == (stopped.report.sha256, 0, [])
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.CONFLICT
    assert desk.state(release) == "void"


def test_erasing_leaves_no_login_behind(desk, samples):
    """Of a transfer, its openers; of a person, their own. Votes keep the id of who cast them."""
    transfer = samples.transfer(opener=opened_by("olaf"))
    desk.ask(transfer, samples.report(samples.finding()))
    release = desk.request(transfer)
    desk.vote(release, "zoe")
    with desk.engine.begin() as connection:
        erasure.of_transfer(connection, transfer.transfer_id)
        assert cases.touched(connection, samples.report().sha256) == {"ena"}
        for name in ("ena", "zoe"):
            erasure.of_person(connection, desk.staff[name].id)
        assert cases.touched(connection, samples.report().sha256) == frozenset()
        (row,) = cases.cast(connection, release.id)
    assert (row.person, row.login) == (desk.staff["zoe"].id, None)


def test_the_vote_of_somebody_who_was_removed_counts_no_more(desk, stopped):
    """Who lost the right to vote in between has not voted."""
    release = desk.request(stopped.first)
    desk.vote(release, "zoe")
    with desk.engine.begin() as connection:
        people.remove(connection, desk.ledger, desk.staff["zoe"], desk.now)
    assert desk.vote(release, "sec").case.state is State.VOTING
    assert [e["person"] for e in desk.entries("release-vote-dropped")] == [desk.staff["zoe"].id]


def test_canaries_are_nobodys_concern(desk, samples):
    """An agent opens its own by the minute: nobody is remembered, nobody is waited for."""
    found = samples.finding(class_=FindingClass.PROTECTED, protected_name=CANARY)
    transfer = samples.transfer(opener=opened_by("root"))
    desk.ask(transfer, samples.report(found))
    desk.tell(transfer, Enforcement.DENIED)
    with desk.engine.begin() as connection:
        assert connection.execute(select(release_touches)).all() == []
        assert connection.execute(select(holds)).all() == []
    assert reason_of(desk.request(transfer)) is RefusalReason.PROTECTED_KEY


def test_who_decides_that_a_file_is_put_back_reviews_it_no_more(desk, stopped):
    """Who proposed the change, and who approved it."""
    first = stopped.first
    desk.tell(first, Enforcement.QUARANTINED, Verdict.QUARANTINE, quarantine_id="q-1")
    release = desk.request(first)
    ids = [desk.staff[name].id for name in ("zoe", "sec")]
    content = restoring.write(restoring.Wanted("host-1", "q-1", "signing"))
    with desk.engine.begin() as connection:
        approval = Approval(uuid7(), *ids)
        change = restoring.RestoreChange()
        change.apply(connection, desk.ledger, content, approval, desk.now)
    assert reason_of(desk.vote(release, "zoe")) is RefusalReason.TOUCHED
    assert reason_of(desk.vote(release, "sec")) is RefusalReason.TOUCHED
    assert desk.vote(release, "zac").case.state is State.VOTING
