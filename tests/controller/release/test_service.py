"""Releases as people and agents see them: real server, real mTLS, the command line."""

import json
import queue
from datetime import UTC, datetime

import grpc
import pytest
from people import join

from lockgate.controller.people.roles import Role
from lockgate.controller.store import reading
from lockgate.v1 import agent_pb2, agent_pb2_grpc, review_pb2, transfer_pb2
from lockgate.v1 import review_pb2_grpc as stubs
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, Opener, Receipt, Verdict

STAFF = {
    "ena": (Role.ENGINEER,),
    "zoe": (Role.ZONE_OWNER,),
    "sec": (Role.SECURITY,),
    "adm": (Role.ADMINISTRATOR, Role.VIEWER),
}


@pytest.fixture
def database():
    """SQLite; the same statements run on PostgreSQL in test_releases.py."""
    return ""


class Staff(dict):
    """People with logins, by name; whom a test does not name does not log in."""

    def __init__(self, controller, folder):
        self.controller, self.folder = controller, folder

    def __missing__(self, name):
        self[name] = join(self.controller, self.folder, name, *STAFF[name])
        return self[name]


@pytest.fixture
def staff(controller, tmp_path):
    """Whoever a test names."""
    return Staff(controller, tmp_path)


@pytest.fixture
def stopped(agent, samples):
    """A transfer with a private key, stopped."""
    transfer = samples.transfer(opener=Opener(pid=7, uid=1001, user="olaf"))
    answer = agent.ask(transfer, samples.report(samples.finding()))
    assert answer.decision.verdict == transfer_pb2.VERDICT_BLOCK
    return transfer


def refused(call, request):
    """The reason of a call that must be refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10)
    assert "Traceback" not in caught.value.details()
    return dict(caught.value.trailing_metadata() or ()).get("lockgate-reason")


def vote(release_id, choice=review_pb2.VOTE_CHOICE_APPROVE):
    """A vote with a fresh request id."""
    return review_pb2.VoteRequest(request_id=uuid7(), release_id=release_id, choice=choice)


def requested(person, transfer):
    """The id of a release that a person asks for."""
    request = review_pb2.RequestReleaseRequest(
        request_id=uuid7(), transfer_id=transfer.transfer_id, reason="debugging"
    )
    service = stubs.ReviewServiceStub(person.channel)
    return service.RequestRelease(request, timeout=10).release.release_id


def test_a_release_from_the_first_command_to_its_receipt(
    controller, agent, staff, stopped, samples
):
    """Asked for, seen in the list, approved by two, opened once, completed by its receipt."""
    asked = staff["ena"].run("review", "request", stopped.transfer_id, "--reason", "lab", "--json")
    release = json.loads(asked.stdout)
    assert (release["state"], release["owner"]) == ("requested", "zone-owner, security")
    listed = [json.loads(line) for line in _json(staff["zoe"], "list")]
    assert [(row["kind"], row["owner"]) for row in listed] == [
        ("release", "zone-owner, security"),
        ("hold", "zone-owner"),
    ]
    assert all(row["deadline"] for row in listed)
    shown = json.loads(*_json(staff["sec"], "show", release["id"]))
    assert shown["findings"][0]["places"][0]["offset"] == 10
    assert stopped.path not in json.dumps(shown)
    staff["zoe"].run("review", "vote", release["id"], "--approve")
    done = staff["sec"].run("review", "vote", release["id"], "--approve", "--reason", "fine")
    assert done.stdout.split()[:2] == [release["id"], "approved;"]
    again = samples.transfer(opener=stopped.opener)
    answer = agent.ask(again, samples.report(samples.finding()))
    assert answer.decision.verdict == transfer_pb2.VERDICT_ALLOW
    assert answer.decision.rule == f"release:{release['id']}"
    assert answer.passport == b""
    now = datetime.now(UTC)
    agent.tell(Receipt(again.transfer_id, Verdict.ALLOW, Enforcement.ALLOWED, None, 0, now))
    over = json.loads(*_json(staff["ena"], "show", release["id"]))
    assert (over["state"], over["owner"], over["deadline"]) == ("released", "", None)
    assert {v["person"]: v["choice"] for v in over["votes"]} == {"zoe": "approve", "sec": "approve"}


def _json(person, *words):
    done = person.run("review", *words, "--json")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_agent_hears_of_a_release_on_its_stream(controller, agent, staff, stopped):
    """The command of an approved release waits for the agent and comes with its stream."""
    release_id = requested(staff["ena"], stopped)
    for name in ("zoe", "sec"):
        stubs.ReviewServiceStub(staff[name].channel).Vote(vote(release_id), timeout=10)
    said = queue.SimpleQueue()
    hello = agent_pb2.AgentHello(capabilities=0xFF, version="1")
    said.put(agent_pb2.ConnectRequest(hello=hello))
    connect = agent_pb2_grpc.AgentServiceStub(agent.channel).Connect
    heard = connect(iter(said.get, None), timeout=30)
    command = next(message.command for message in heard if message.HasField("command"))
    assert command.release.transfer_id == stopped.transfer_id
    said.put(None)
    heard.cancel()


def test_refused_attempts_are_in_the_ledger_and_change_nothing(controller, staff, stopped):
    """With the call, the reason and who it was, by id."""
    release_id = requested(staff["ena"], stopped)
    services = {name: stubs.ReviewServiceStub(staff[name].channel) for name in STAFF}
    assert refused(services["ena"].Vote, vote(release_id)) == "role"
    assert refused(services["adm"].Vote, vote(release_id)) == "role"
    unspecified = vote(release_id, review_pb2.VOTE_CHOICE_UNSPECIFIED)
    assert refused(services["zoe"].Vote, unspecified) == "malformed"
    services["zoe"].Vote(vote(release_id), timeout=10)
    assert refused(services["zoe"].Vote, vote(release_id)) == "voted"
    assert refused(services["sec"].Vote, vote(uuid7())) == "not-found"
    withdraw = review_pb2.WithdrawRequest(request_id=uuid7(), release_id=release_id)
    assert refused(services["sec"].Withdraw, withdraw) == "not-requester"
    told = [e for e in controller.entries() if e["kind"] == "refusal"]
    assert [e["reason"] for e in told] == [
        "role",
        "role",
        "malformed",
        "voted",
        "not-found",
        "not-requester",
    ]
    assert {e["peer"] for e in told} == {
        f"person/{staff[name].person.id}" for name in ("ena", "adm", "zoe", "sec")
    }
    shown = services["adm"].GetRelease(
        review_pb2.GetReleaseRequest(release_id=release_id), timeout=10
    )
    assert list(shown.release.voted) == ["zoe"]


def test_looks_are_recorded_and_repeated_votes_are_one(controller, staff, stopped):
    """Who looked at what, before it is answered; the same answer to the same request."""
    release_id = requested(staff["ena"], stopped)
    service, request = stubs.ReviewServiceStub(staff["zoe"].channel), vote(release_id)
    first = service.Vote(request, timeout=10)
    assert service.Vote(request, timeout=10) == first
    assert [e["kind"] for e in controller.entries()].count("release-vote") == 1
    service.GetRelease(review_pb2.GetReleaseRequest(release_id=release_id), timeout=10)
    entry = controller.entries()[-1]
    assert (entry["kind"], entry["call"]) == ("view", "GetRelease")
    assert entry["person"] == staff["zoe"].person.id
    assert entry["asked"] == {"release_id": release_id}


def test_breaking_the_glass_is_alerted_at_once(controller, staff, stopped):
    """The alert stands in the outbox as soon as the call is answered."""
    release_id = requested(staff["ena"], stopped)
    done = staff["sec"].run("review", "break-glass", release_id, "--reason", "outage")
    assert done.stdout.split()[:2] == [release_id, "break-glass;"]
    event = controller.read(reading.alerts_of, 1)[0]["event"]
    assert (event["unmapped"]["lockgate"]["state"], event["severity_id"]) == ("break-glass", 5)
