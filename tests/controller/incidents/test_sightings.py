"""What reports do to incidents in the store."""

import pytest
from sqlalchemy import select

from lockgate.controller import clock
from lockgate.controller.incidents import acts, sightings
from lockgate.controller.incidents.schema import incident_places
from lockgate.controller.incidents.sightings import Place
from lockgate.controller.incidents.state import IncidentAction, Step
from lockgate.controller.people.roles import Person, Role
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.store.schema import incidents
from lockgate.policy.canary import CANARY
from lockgate.scan.report import FindingClass

HERE = Place("host-1", "signing")
ANNA = Person("person-1", "anna", frozenset({Role.ON_CALL}))


def see(engine, report, place=HERE, ruled=frozenset(), micros=10):
    """Record a report; the steps."""
    with engine.begin() as connection:
        return [s.step for s in sightings.record(connection, report, place, ruled, micros)]


def rows(engine, table=incidents):
    """What stands in a table."""
    with engine.begin() as connection:
        return connection.execute(select(table)).mappings().all()


def test_one_key_is_one_incident_on_all_hosts(engine, samples):
    """Seen again it is counted, with each place."""
    report = samples.report(samples.finding())
    other = Place("host-2", "debugging")
    steps = [
        see(engine, report, place, micros=n) for n, place in ((5, HERE), (7, other), (6, HERE))
    ]
    assert steps == [[Step.OPENED], [Step.AGAIN], [Step.AGAIN]]
    (row,) = rows(engine)
    assert (row["sightings"], row["first_seen_at"], row["last_seen_at"]) == (3, 5, 7)
    places = {
        (p["host"], p["zone"]): (p["sightings"], p["last_seen_at"])
        for p in rows(engine, incident_places)
    }
    assert places == {("host-1", "signing"): (2, 6), ("host-2", "debugging"): (1, 7)}


def test_a_clock_set_back_moves_nothing_back(engine, samples):
    """The last time stays the latest."""
    report = samples.report(samples.finding())
    see(engine, report, micros=100)
    see(engine, report, micros=50)
    assert rows(engine)[0]["last_seen_at"] == 100
    assert rows(engine, incident_places)[0]["last_seen_at"] == 100


@pytest.mark.parametrize("class_", [FindingClass.TEST, FindingClass.RNG])
def test_test_keys_and_generators_make_no_incident(engine, samples, class_):
    """Neither do canaries."""
    canary = samples.finding(class_=FindingClass.PROTECTED, protected_name=CANARY)
    assert see(engine, samples.report(samples.finding(class_=class_), canary)) == []
    assert rows(engine) == rows(engine, incident_places) == []


def test_a_report_that_names_a_key_twice_counts_it_once(engine, samples):
    """Whatever a hostile agent sends."""
    assert see(engine, samples.report(samples.finding(), samples.finding())) == [Step.OPENED]
    assert rows(engine)[0]["sightings"] == 1


def test_a_key_that_becomes_protected_opens_its_incident_anew(engine, samples):
    """And stays protected when a weaker report follows."""
    see(engine, samples.report(samples.finding()))
    act(engine, IncidentAction.ACKNOWLEDGE)
    raised = samples.finding(class_=FindingClass.PROTECTED, protected_name="x")
    assert see(engine, samples.report(raised)) == [Step.RAISED]
    assert see(engine, samples.report(samples.finding())) == [Step.AGAIN]
    (row,) = rows(engine)
    assert (row["class"], row["protected_name"], row["state"]) == ("protected", "x", "open")


def test_a_ruled_key_is_counted_and_opens_nothing(engine, samples):
    """Until the ruling is over."""
    report, ruled = samples.report(samples.finding()), frozenset({samples.finding().fingerprint})
    assert see(engine, report, ruled=ruled) == [Step.AGAIN]
    assert see(engine, report, ruled=ruled) == [Step.AGAIN]
    assert (rows(engine)[0]["state"], rows(engine)[0]["sightings"]) == ("closed", 2)
    assert see(engine, report) == [Step.REOPENED]


def act(engine, action, ledger=None, incident=None):
    """What Anna does."""
    ledger = ledger or type("", (), {"append": lambda *_: 0})()
    with engine.begin() as connection:
        incident = incident or connection.execute(select(incidents.c.fingerprint)).scalar()
        return acts.act(connection, ledger, incident, action, "seen to", ANNA, clock.now())


def test_people_take_on_and_close_and_the_ledger_knows(engine, samples, remembering_ledger):
    """By id or fingerprint; who, when and why stand in the row, the person by id."""
    see(engine, samples.report(samples.finding()))
    incident = rows(engine)[0]["id"]
    taken = act(engine, IncidentAction.ACKNOWLEDGE, remembering_ledger, incident)
    assert (taken["state"], taken["changed_by"], taken["reason"]) == (
        "acknowledged",
        "person-1",
        "seen to",
    )
    again = act(engine, IncidentAction.ACKNOWLEDGE, remembering_ledger)
    assert again.reason is RefusalReason.CONFLICT
    assert act(engine, IncidentAction.CLOSE, remembering_ledger)["state"] == "closed"
    assert remembering_ledger.kinds() == ["incident-acknowledged", "incident-closed"]
    assert see(engine, samples.report(samples.finding())) == [Step.REOPENED]


def test_an_incident_that_is_not_there_is_said(engine):
    """Not found, and nothing in the ledger."""
    answer = act(engine, IncidentAction.CLOSE, incident="nothing")
    assert answer.reason is RefusalReason.NOT_FOUND
