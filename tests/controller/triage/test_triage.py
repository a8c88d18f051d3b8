"""Rulings in the store: made by a change, ended once, told when they expire."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lockgate.controller import clock
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.records import Decided, record_verdict
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.registry import keys
from lockgate.controller.store.schema import alerts
from lockgate.controller.stream.schema import commands
from lockgate.controller.triage import store
from lockgate.controller.triage.change import LONGEST, Proposal, TriageChange, read, write
from lockgate.controller.triage.rulings import TriageAs
from lockgate.scan.protected import ProtectedKey
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Decision, Verdict

LIFE = timedelta(minutes=5)
PRINT = "sha256:" + "ab" * 32


def proposal(after=timedelta(days=1), **changes):
    """The content of a ruling."""
    until = clock.now() + after
    fields = {"fingerprint": PRINT, "triage_as": TriageAs.TEST, "reason": "of the test suite"}
    return write(Proposal(**{**fields, "until": until, **changes}))


def apply(engine, ledger, content, now, change_id="change-1"):
    """Make a ruling."""
    with engine.begin() as connection:
        TriageChange().apply(connection, ledger, content, Approval(change_id, "a", "b"), now)


def in_force(engine):
    """The ids of the rulings that hold."""
    with engine.begin() as connection:
        return [ruling.id for ruling in store.in_force(connection)]


def test_a_ruling_is_in_the_ledger_with_both_people(engine, remembering_ledger):
    """And grows the version by which controllers see it."""
    now = clock.now()
    apply(engine, remembering_ledger, proposal(), now)
    (entry,) = remembering_ledger.entries
    assert (entry["kind"], entry["fingerprint"], entry["by"]) == ("triage", PRINT, ["a", "b"])
    with engine.begin() as connection:
        assert store.version(connection) == 1


def test_a_later_ruling_replaces_the_earlier(engine, remembering_ledger):
    """One holds, the other ended."""
    for number in (1, 2):
        apply(engine, remembering_ledger, proposal(), clock.now(), f"change-{number}")
    assert in_force(engine) == ["change-2"]
    assert remembering_ledger.kinds() == ["triage", "triage-replaced", "triage"]


def test_a_ruling_expires_once_and_is_told(engine, remembering_ledger):
    """A clock that is set back afterwards does not revive it."""
    now = clock.now()
    apply(engine, remembering_ledger, proposal(timedelta(hours=1)), now)
    for after, count in ((59, 0), (60.5, 1), (61, 0), (0, 0)):
        with engine.begin() as connection:
            moment = now + timedelta(minutes=after)
            assert store.expire(connection, remembering_ledger, moment) == count
    assert in_force(engine) == []
    with engine.begin() as connection:
        (event,) = connection.execute(select(alerts.c.event)).scalars()
    assert json.loads(event)["unmapped"]["lockgate"]["event"] == "triage-expired"


def test_a_ruling_is_withdrawn_by_one_person(engine, remembering_ledger):
    """Decisions get stricter, so that nobody else is asked; a second time there is none."""
    apply(engine, remembering_ledger, proposal(), clock.now())
    with engine.begin() as connection:
        given = (remembering_ledger, PRINT, "p", clock.now())
        assert store.withdraw(connection, *given)
        assert not store.withdraw(connection, *given)
    assert in_force(engine) == []


def test_hosts_forget_what_was_decided_under_a_ruling_that_is_withdrawn(
    engine, remembering_ledger, samples
):
    """Those on which the key was found, and no others; so too when the key gets protected."""
    for host, finding in (("host-1", [samples.finding()]), ("host-2", [])):
        report = samples.report(*finding)
        decided = Decided(
            uuid7(), samples.transfer(host), report, b"", Decision(Verdict.ALLOW), samples.now, LIFE
        )
        with engine.begin() as connection:
            record_verdict(connection, remembering_ledger, decided)
    apply(engine, remembering_ledger, proposal(), clock.now())
    key = ProtectedKey("x", PRINT)
    with engine.begin() as connection:
        store.withdraw(connection, remembering_ledger, PRINT, "p", clock.now())
        keys.put(connection, remembering_ledger, [key], "c", ["a"], clock.now())
        sent = connection.execute(select(commands.c.host, commands.c.action)).all()
    assert [tuple(one) for one in sent] == [("host-1", "forget-decisions")] * 2


def test_a_protected_key_is_not_triaged(engine, remembering_ledger):
    """Once it is not protected any more, it is."""
    kind, now = TriageChange(), clock.now()
    with engine.begin() as connection:
        keys.put(connection, remembering_ledger, [ProtectedKey("x", PRINT)], "c", ["a"], now)
        assert kind.check(connection, proposal()).reason is RefusalReason.CONFLICT
        keys.remove(connection, remembering_ledger, [PRINT], "c", ["a"], now)
        assert kind.check(connection, proposal()) is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{}", "fingerprint"),
        (b"[" * 100_000, "fingerprint"),
        (b"\xff", "fingerprint"),
        (proposal(fingerprint="sha256:AB"), "fingerprint"),
        (proposal(reason="  "), "reason"),
        (proposal(reason="x" * 2000), "reason"),
        (proposal(timedelta(seconds=-1)), "until"),
        (proposal(LONGEST + timedelta(days=1)), "until"),
        (proposal().replace(b"+00:00", b"").replace(b"Z", b""), "until"),
        (proposal().replace(b'"test"', b'"protected"'), "as"),
        (b'{"fingerprint": 1, "as": "test", "reason": 1, "until": 1}', "until"),
    ],
)
def test_a_wrong_content_is_refused(engine, content, fault):
    """As malformed, with the field."""
    with engine.begin() as connection:
        refusal = TriageChange().check(connection, content)
    assert refusal.reason is RefusalReason.MALFORMED
    assert fault in refusal.detail


@given(st.binary() | st.recursive(st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_reading_a_content_never_raises_anything_else(content):
    """A proposal or a ValueError."""
    with pytest.raises(ValueError, match="content"):
        read(content)
