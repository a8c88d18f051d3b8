"""Nobody came in time, and the clock itself: what runs out lets nothing through."""

from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from sqlalchemy import select

from lockgate.controller import answers, clock
from lockgate.controller.alerts import ocsf
from lockgate.controller.release.deadlines import Moment
from lockgate.controller.release.schema import holds
from lockgate.controller.release.states import Action
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, Verdict, Zone

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PUBLISHED = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.4.0")).get_class_schema(
    "data_security_finding", ["security_control", "host"]
)


def test_a_broken_glass_runs_out(desk, stopped):
    """The second person within minutes, the file within half an hour."""
    release = desk.request(stopped.first)
    desk.vote(release, "ona", Action.BREAK_GLASS)
    desk.look(16 * MINUTE)
    assert desk.state(release) == "expired"
    again = desk.request(stopped.first)
    desk.vote(again, "ona", Action.BREAK_GLASS)
    desk.vote(again, "sec", Action.BREAK_GLASS)
    desk.now += 31 * MINUTE
    assert stopped.again()[1].verdict is Verdict.BLOCK
    desk.look()
    assert desk.state(again) == "expired"


@pytest.mark.parametrize("votes", [0, 1, 2])
def test_expiry_never_lets_a_file_through(desk, stopped, votes):
    """Whether somebody, nobody or everybody voted; it is an entry and an alert."""
    release = desk.request(stopped.first)
    for name in ("zoe", "sec")[:votes]:
        desk.vote(release, name)
    desk.look(25 * HOUR)
    assert desk.state(release) == "expired"
    assert stopped.again()[1].verdict is Verdict.BLOCK
    assert len(desk.entries("release-expired")) == 1
    assert desk.events("release")[-1]["unmapped"]["lockgate"]["state"] == "expired"


def test_an_approval_that_is_over_allows_nothing_before_anybody_looked(desk, stopped):
    """The deadline itself counts, not the task that writes it down."""
    desk.approved(stopped.first)
    desk.now += HOUR
    assert stopped.again()[1].verdict is Verdict.BLOCK


def test_a_wait_passes_to_the_next_owner_and_never_ends_in_allow(desk, stopped):
    """Zone owner, security, administrator: an entry and an alert each; the file stays."""
    for owner, following in (
        ("zone-owner", "security"),
        ("security", "administrator"),
        ("administrator", ""),
    ):
        assert desk.look(25 * HOUR) == 1
        entry = desk.entries("wait-ended")[-1]
        assert (entry["owner"], entry["next_owner"]) == (owner, following)
        assert desk.events("wait-ended")[-1]["severity_id"] == ocsf.HIGH
        assert stopped.again()[1].verdict is Verdict.BLOCK
    with desk.engine.begin() as connection:
        ended = connection.execute(select(holds).where(holds.c.ended_at.is_not(None))).all()
    assert [row.escalations for row in ended] == [3]


def test_many_attempts_wait_for_somebody_once(desk, stopped):
    """The first one's deadline stays: trying again moves nothing."""
    for _ in range(3):
        desk.now += HOUR
        stopped.again()
    with desk.engine.begin() as connection:
        (row,) = connection.execute(select(holds)).all()
    assert row.transfer_id == stopped.first.transfer_id


@pytest.mark.parametrize("how", ["released", "allowed"])
def test_a_hold_ends_with_what_it_waited_for(desk, stopped, samples, how):
    """The file was released, or a deeper scan found nothing."""
    if how == "released":
        desk.approved(stopped.first)
        transfer, _ = stopped.again()
        desk.tell(transfer, Enforcement.ALLOWED, Verdict.ALLOW)
    else:
        assert stopped.again(report=samples.report())[1].verdict is Verdict.ALLOW
    assert desk.look(25 * HOUR) == 0
    assert desk.entries("wait-ended") == []


def test_a_hold_does_not_end_because_another_zone_lets_the_same_bytes_through(
    desk, stopped, samples
):
    """They may go there; here somebody is still waited for."""
    lab = Zone("lab", signing=False)
    assert stopped.again(zone=lab, report=samples.report())[1].verdict is Verdict.ALLOW
    assert desk.look(25 * HOUR) == 1
    assert len(desk.entries("wait-ended")) == 1


def test_a_clock_that_jumps_is_seen_and_told(desk, stopped):
    """Either way; what time does by itself is not."""
    for after, jumped in ((HOUR, 0), (5, 3600), (5, -7200), (5, 20)):
        span = after if isinstance(after, timedelta) else timedelta(seconds=after)
        desk.look(span, timedelta(seconds=jumped))
    assert [entry["seconds"] for entry in desk.entries("clock-jump")] == [3600, -7200]
    assert len(desk.events("clock-jump")) == 2


def test_a_clock_set_back_ends_approvals(desk, stopped):
    """They would last longer; what is being voted on goes on."""
    release = desk.approved(stopped.first)
    desk.look(5 * MINUTE, -20 * MINUTE)
    assert desk.state(release) == "void"
    assert stopped.again()[1].verdict is Verdict.BLOCK
    again = desk.request(stopped.first)
    desk.look(5 * MINUTE, -20 * MINUTE)
    assert desk.state(again) == "requested"


def test_a_clock_set_back_while_nothing_ran_is_seen_at_the_start(desk, stopped):
    """Against the newest time that a call has left in the store."""
    release = desk.approved(stopped.first)
    with desk.engine.begin() as connection:
        answers.remember(connection, uuid7(), "p", b"d", b"r", clock.to_micros(desk.now))
        desk.deadlines.look(connection, None, Moment(desk.now - HOUR, 0.0))
    assert [entry["seconds"] for entry in desk.entries("clock-jump")] == [-3600]
    assert desk.state(release) == "void"


def test_what_is_told_is_valid_under_the_published_schema(desk, stopped):
    """Every alert of releases, holds and the clock is an OCSF event of class 2006."""
    release = desk.request(stopped.first)
    desk.vote(release, "ona", Action.BREAK_GLASS)
    desk.look(25 * HOUR, HOUR)
    kinds = ("release", "wait-ended", "clock-jump")
    events = [event for kind in kinds for event in desk.events(kind)]
    assert {event["unmapped"]["lockgate"]["event"] for event in events} == set(kinds)
    for event in events:
        Draft202012Validator(PUBLISHED).validate(event)
