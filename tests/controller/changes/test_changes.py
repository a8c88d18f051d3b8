"""Changes: what two people make together, and what none can make alone."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from people import join

from lockgate.controller.changes import known
from lockgate.controller.changes.changes import Changes, listed
from lockgate.controller.people import people
from lockgate.controller.people.change import read, write
from lockgate.controller.people.roles import Person, Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.v1 import change_pb2 as pb
from lockgate.v1 import change_pb2_grpc
from lockgate.wire.ids import uuid7

LIFE = timedelta(hours=1)
CONTENT = write("carla", {Role.VIEWER})
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Office:
    """A store with two administrators and a viewer."""

    def __init__(self, engine, ledger, now, *, second_person=True):
        self.engine, self.ledger, self.now = engine, ledger, now
        self.changes = Changes(ledger, known.ALL, LIFE, second_person=second_person)
        with engine.begin() as connection:
            self.anna, self.berta = (self._administrator(connection, n) for n in ("anna", "berta"))
            roles = frozenset({Role.VIEWER})
            self.viewer = people.put(connection, ledger, "vera", roles, now)

    def _administrator(self, connection, name) -> Person:
        roles = frozenset({Role.ADMINISTRATOR})
        return people.put(connection, self.ledger, name, roles, self.now)

    def do(self, what, *given, after=timedelta()):
        """Call a method of the changes, so much later."""
        with self.engine.begin() as connection:
            return getattr(self.changes, what)(connection, *given, self.now + after)

    def propose(self, content=CONTENT, kind="person", by=None):
        """Propose something."""
        return self.do("propose", kind, content, "she starts today", by or self.anna)

    def named(self, name):
        """Who has a name."""
        with self.engine.begin() as connection:
            return people.named(connection, name)


@pytest.fixture
def office(engine, remembering_ledger, samples) -> Office:
    """An installation that asks for a second person."""
    return Office(engine, remembering_ledger, samples.now)


def test_a_change_is_made_when_another_approves_it(office):
    """Not before; both are in the ledger by id, and no name is."""
    change = office.propose()
    assert (change.state, change.summary) == ("waiting", "carla: viewer")
    assert office.named("carla") is None
    made = office.do("approve", change.id, SHA256, office.berta)
    assert made.state == "made"
    assert office.named("carla").roles == {Role.VIEWER}
    assert office.ledger.kinds()[-3:] == ["change-proposed", "change-made", "person-added"]
    assert office.ledger.entries[-1]["by"] == [office.anna.id, office.berta.id]
    assert "carla" not in str(office.ledger.entries)


def test_nobody_approves_what_they_proposed(office):
    """Whatever their roles; the change stays as it was."""
    change = office.propose()
    refused = office.do("approve", change.id, SHA256, office.anna)
    assert refused == Refusal(RefusalReason.OWN_PROPOSAL)
    assert office.named("carla") is None


@pytest.mark.parametrize("what", ["propose", "approve", "reject"])
def test_it_takes_a_role_of_the_kind(office, what):
    """A viewer proposes, approves and rejects nothing."""
    if what == "propose":
        refused = office.propose(by=office.viewer)
    else:
        refused = office.do(what, office.propose().id, SHA256, office.viewer)
    assert refused.reason is RefusalReason.ROLE


def test_what_is_approved_is_what_was_looked_at(office):
    """Another content under the same number is not."""
    refused = office.do("approve", office.propose().id, "0" * 64, office.berta)
    assert refused.reason is RefusalReason.CONTENT_CHANGED


@pytest.mark.parametrize("gone", [True, False], ids=["removed", "role-lost"])
def test_what_somebody_proposed_who_may_not_any_more_is_not_made(office, gone):
    """Also when they are here again under the same name, and would approve it themselves."""
    change = office.propose()
    with office.engine.begin() as connection:
        if gone:
            people.remove(connection, office.ledger, office.anna, office.now)
        else:
            roles = frozenset({Role.VIEWER})
            people.put(connection, office.ledger, "anna", roles, office.now)
        again = office._administrator(connection, "anna") if gone else office.berta
    for by in (office.berta, again):
        refused = office.do("approve", change.id, SHA256, by)
        assert refused.reason is RefusalReason.CONFLICT
    assert office.named("carla") is None


def test_what_people_write_misleads_no_terminal(office):
    """Escapes, further lines and reversed text are shown as what they are."""
    hostile = "new\x1b[2J\nstate: made\u202e"
    change = office.do("propose", "person", CONTENT, hostile, office.anna)
    assert change.reason == "new\\x1b[2J\\x0astate: made\\u202e"
    rejected = office.do("reject", change.id, hostile, office.berta)
    assert rejected.decision_reason == change.reason


def test_a_change_is_made_once(office):
    """A second approval, and a rejection after it, find nothing that waits."""
    change = office.propose()
    office.do("approve", change.id, SHA256, office.berta)
    for what, given in (("approve", SHA256), ("reject", "too late")):
        refused = office.do(what, change.id, given, office.berta)
        assert refused.reason is RefusalReason.CONFLICT


def test_a_rejected_change_is_never_made(office):
    """Also when whoever proposed it takes it back."""
    change = office.propose()
    assert office.do("reject", change.id, "a mistake", office.anna).state == "rejected"
    refused = office.do("approve", change.id, SHA256, office.berta)
    assert refused.reason is RefusalReason.CONFLICT


def test_a_change_that_waited_too_long_is_not_made(office):
    """At the end of its time it can no longer be approved, and then it is ended visibly."""
    change = office.propose()
    refused = office.do("approve", change.id, SHA256, office.berta, after=LIFE)
    assert refused.reason is RefusalReason.CONFLICT
    assert office.do("expire", after=LIFE - timedelta(seconds=1)) == 0
    assert office.do("expire", after=LIFE) == 1
    assert office.ledger.kinds()[-1] == "change-expired"
    with office.engine.begin() as connection:
        assert [c.state for c in listed(connection, 10, waiting_only=False)] == ["expired"]
        assert listed(connection, 10, waiting_only=True) == []


def test_a_lab_needs_no_second_person_and_the_ledger_says_so(engine, remembering_ledger, samples):
    """The proposal is made at once."""
    office = Office(engine, remembering_ledger, samples.now, second_person=False)
    assert office.propose().state == "made"
    assert office.named("carla") is not None
    assert remembering_ledger.entries[-2]["second_person"] is False


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"name": "carla"}',
        b'{"name": "carla", "roles": ["king"]}',
        b'{"name": "carla", "roles": 7}',
        b'{"name": "../carla", "roles": []}',
        b'{"name": 7, "roles": []}',
        b'{"name": "carla", "roles": ["viewer"], "roles": ["administrator"]}',
        b'{"name": "carla", "roles": ["viewer"], "note": "harmless"}',
        b"[" * 100_000,
    ],
)
def test_a_content_that_means_nothing_is_refused(office, content):
    """Nothing of it is repeated."""
    assert office.propose(content).reason is RefusalReason.MALFORMED


def test_a_kind_that_is_not_known_is_refused(office):
    """With the kinds that are."""
    refused = office.propose(kind="weather")
    assert refused.reason is RefusalReason.NOT_FOUND
    assert "person" in refused.detail


def test_two_administrators_are_left(office):
    """Taking one away from two is refused, also when it was right while there were three."""
    assert office.propose(write("anna", ())).reason is RefusalReason.CONFLICT
    with office.engine.begin() as connection:
        roles = frozenset({Role.ADMINISTRATOR})
        people.put(connection, office.ledger, "dora", roles, office.now)
    first, second = (office.propose(write(name, ())) for name in ("anna", "dora"))
    assert office.do("approve", second.id, second.content_sha256, office.berta).state == "made"
    refused = office.do("approve", first.id, first.content_sha256, office.berta)
    assert refused.reason is RefusalReason.CONFLICT


def test_content_of_a_person_survives_reading():
    """Names and roles come back."""
    assert read(write("carla", {Role.SECURITY, Role.VIEWER})) == (
        "carla",
        frozenset({Role.SECURITY, Role.VIEWER}),
    )


def test_two_people_change_a_third_by_command(controller, tmp_path):
    """Propose, look, approve by what was seen; a change of one's own is refused with its reason."""
    anna, berta = (join(controller, tmp_path, n, Role.ADMINISTRATOR) for n in ("anna", "berta"))
    proposed = anna.run("person", "propose", "carla", "--role", "viewer", "--reason", "new")
    change_id, state = proposed.stdout.split()
    assert state == "waiting"
    shown = json.loads(berta.run("change", "show", change_id, "--json").stdout)
    assert json.loads(shown["content"]) == {"name": "carla", "roles": ["viewer"]}
    assert berta.run("change", "show", change_id).stdout.endswith(f"\n\n{shown['content']}\n")
    approve = ("change", "approve", change_id, "--sha256", shown["content_sha256"])
    own = anna.run(*approve)
    assert (own.returncode, own.stderr) == (
        2,
        "lockgate change: own-proposal: Nobody approves what they proposed.\n",
    )
    assert berta.run(*approve).stdout == f"{change_id} made\n"
    assert "carla" in anna.run("person", "list").stdout
    assert [json.loads(anna.run("change", "list", "--all", "--json").stdout)["decided_by"]] == [
        "berta"
    ]


def test_a_repeated_request_proposes_once(controller, tmp_path):
    """The same answer under the same request id; another content under it is refused."""
    anna = join(controller, tmp_path, "anna", Role.ADMINISTRATOR)
    stub = change_pb2_grpc.ChangeServiceStub(anna.channel)
    request = pb.ProposeChangeRequest(
        request_id=uuid7(), kind="person", content=CONTENT, reason="new"
    )
    first, second = (stub.ProposeChange(request, timeout=10) for _ in range(2))
    assert first == second
    request.reason = "other"
    with pytest.raises(grpc.RpcError) as refused:
        stub.ProposeChange(request, timeout=10)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
