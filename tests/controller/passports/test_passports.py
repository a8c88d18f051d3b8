"""Passports of a running controller: bound, not given by the blind, revoked, published."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from people import join

from lockgate.controller.passports.revoking import ListPublisher, revoke
from lockgate.controller.passports.settings import PassportSettings, Route
from lockgate.controller.people.roles import Role
from lockgate.v1 import decision_pb2
from lockgate.wire import passport, revocations
from lockgate.wire.ids import uuid7
from lockgate.wire.revocations import Rule

TOML = '[passports]\nlist_hours = 1\n[[passports.routes]]\nzone = "signing"\nto = "debug"\n'


@pytest.fixture
def routed(controller):
    """A controller that binds passports to where files go."""
    controller.stop()
    with (controller.state / "controller.toml").open("a") as file:
        file.write(TOML)
    return controller.start()


@pytest.fixture
def agent_here(routed):
    """An agent of it."""
    return routed.enrol("host-1")


def public_key(controller):
    """The key that receivers have."""
    return load_pem_public_key((controller.state / "identity" / "passport.pub").read_bytes())


def passport_of(controller, agent, samples):
    """Ask for a clean file; its passport, or None."""
    report = samples.report()
    answer = agent.ask(samples.transfer(), report)
    if not answer.passport:
        return None
    key, now = public_key(controller), datetime.now(UTC)
    return passport.verify(answer.passport, key, report.sha256, now)


def tell(agent, change):
    """Tell of the guard."""
    agent.stub.ReportGuard(
        decision_pb2.ReportGuardRequest(
            request_id=uuid7(),
            sequence=agent.number(),
            zone={"name": "signing", "signing": True},
            host=agent.host,
            change=change,
        ),
        timeout=10,
    )


def published(controller, rules):
    """The list of revocations, once it has so many rules."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        file = controller.settings.revocations_file
        if file.exists():
            made = revocations.read(file.read_bytes(), public_key(controller), datetime.now(UTC))
            if len(made.rules) == rules:
                return made
        time.sleep(0.2)
    raise AssertionError(rules)


@pytest.mark.parametrize("database", [""])
def test_a_blind_host_gets_no_passport_and_what_it_got_is_revoked(routed, agent_here, samples):
    """From a while before it told until it told; another host's stay good."""
    before = passport_of(routed, agent_here, samples)
    assert (before.from_zone, before.to_zone) == ("signing", "debug")
    published(routed, 0).check(before)
    tell(agent_here, decision_pb2.GUARD_CHANGE_BLIND)
    assert passport_of(routed, agent_here, samples) is None
    foreign = routed.enrol("host-2").ask(samples.transfer("host-2"), samples.report()).passport
    theirs = passport.verify(foreign, public_key(routed), "cd" * 32, datetime.now(UTC))
    made = published(routed, 1)
    with pytest.raises(passport.PassportError, match="blind"):
        made.check(before)
    made.check(theirs)
    tell(agent_here, decision_pb2.GUARD_CHANGE_RECOVERED)
    time.sleep(1.1)  # passports know whole seconds
    made.check(passport_of(routed, agent_here, samples))
    assert "passport-revoked" in [entry["kind"] for entry in routed.entries()]


@pytest.mark.parametrize("database", [""])
def test_people_revoke_by_transfer_and_by_host(controller, agent, samples, tmp_path):
    """Over the API with a role, on the host as root; each is in the ledger, and in the list."""
    sara = join(controller, tmp_path, "sara", Role.SECURITY)
    vera = join(controller, tmp_path, "vera", Role.VIEWER)
    given = passport_of(controller, agent, samples)
    words = ("controller", "passport", "revoke", "--reason", "lost")
    refused = vera.run(*words, given.transfer_id, "--login", str(vera.login))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    done = sara.run(*words, given.transfer_id, "--login", str(sara.login))
    assert done.returncode == 0, done.stderr
    entry = controller.entries()[int(done.stdout.split()[-1])]
    assert (entry["person"], entry["transfer_id"]) == (sara.person.id, given.transfer_id)
    here = ("--dir", str(controller.state))
    done = sara.run(*words, "--host", "host-9", "--since", "2026-01-01", *here)
    assert done.returncode == 0, done.stderr
    for wrong in (("--host", "h"), (), (uuid7(),), (given.transfer_id, "--host", "h")):
        assert sara.run(*words, *wrong, *here).returncode == 2
    made = published(controller, 2)
    assert {rule.host for rule in made.rules} == {"", "host-9"}
    with pytest.raises(passport.PassportError, match="lost"):
        made.check(given)
    out = tmp_path / "list"
    for way in (here, ("--login", str(sara.login))):
        assert sara.run("controller", "passport", "list", "--out", str(out), *way).returncode == 0
        revocations.read(out.read_bytes(), public_key(controller), datetime.now(UTC), 2)


class Publishing:
    """A publisher on a store, and a clock of the test's own."""

    def __init__(self, engine, ledger, key):
        self.engine, self.ledger, self.key = engine, ledger, key
        self.settings = PassportSettings(list_hours=4)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def write(self, work):
        """One transaction."""
        with self.engine.begin() as connection:
            return work(connection)

    def revoke(self, rule):
        """Write a revocation."""
        self.write(lambda c: revoke(c, self.ledger, rule, self.now))

    def current(self, hours=0):
        """The list, some hours later."""
        self.now += timedelta(hours=hours)
        publisher = ListPublisher(self.key, self.settings)

        def work(connection: Connection) -> bytes:
            return publisher.current(connection, self.now)

        return revocations.read(self.write(work), self.key.public_key(), self.now)


@pytest.fixture
def publishing(engine, remembering_ledger):
    """See the class."""
    return Publishing(engine, remembering_ledger, Ed25519PrivateKey.generate())


def test_a_list_is_signed_anew_when_it_must_be_and_only_then(publishing):
    """A new rule, half of its life, a clock that went back; numbers only grow."""
    assert publishing.current().sequence == 1
    assert publishing.current(1).sequence == 1
    publishing.revoke(Rule("lost", transfer_id=uuid7()))
    assert publishing.current().sequence == 2
    assert publishing.current(1).sequence == 2
    assert publishing.current(1).sequence == 3
    assert publishing.current(-1).sequence == 4


def test_a_rule_leaves_the_list_when_all_that_it_means_has_expired(publishing):
    """A month after the revocation, or after the end of the time that it means."""
    until = publishing.now - timedelta(days=20)
    publishing.revoke(Rule("blind", host="old", since=until - timedelta(days=1), until=until))
    publishing.revoke(Rule("lost", transfer_id=uuid7()))
    assert len(publishing.current().rules) == 2
    assert [rule.reason for rule in publishing.current(11 * 24).rules] == ["lost"]
    assert publishing.current(20 * 24).rules == ()


def test_terms_are_those_of_the_route_of_the_zone():
    """Without a route, for any zone and anybody; two routes of one zone are an error."""
    settings = PassportSettings(days=1, routes=(Route("a", "b", "team"),))
    assert settings.terms("a") == passport.Terms("b", "team", timedelta(days=1))
    assert settings.terms("c") == passport.Terms(life=timedelta(days=1))
    for wrong in (0, -1, 1e10, float("nan")):
        with pytest.raises(ValueError, match=r"passports\.days"):
            PassportSettings(days=wrong)
    with pytest.raises(ValueError, match="two are of zone 'a'"):
        PassportSettings(routes=(Route("a", "b"), Route("a", "c")))
