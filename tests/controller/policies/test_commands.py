"""``lockgate policy`` against a running controller: applied by two, followed, replayed, stopped."""

import json
import sys
import time
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))
sys.path.insert(0, str(Path(__file__).parent))

from people import join
from policies import text

from lockgate.controller.people.roles import Role
from lockgate.policy import default_policy, load
from lockgate.scan.report import FindingClass
from lockgate.v1 import policy_pb2, policy_pb2_grpc, transfer_pb2
from lockgate.wire.ids import uuid7

RINGS = """
policy_stop_verdicts = 5
[[rings]]
name = "canary"
hosts = ["host-*"]
"""


@pytest.fixture
def database():
    """The steps themselves are tried with every database in ``test_store.py``."""
    return ""


@pytest.fixture
def anna(controller, tmp_path):
    """Somebody of the security team."""
    return join(controller, tmp_path, "anna", Role.SECURITY)


@pytest.fixture
def berta(controller, tmp_path):
    """Another one."""
    return join(controller, tmp_path, "berta", Role.SECURITY)


@pytest.fixture
def file(tmp_path):
    """A policy that blocks all."""
    path = tmp_path / "strict.yaml"
    path.write_text(text(), "utf-8")
    return path


def applied(anna, berta, file):
    """Anna proposes, Berta approves."""
    proposed = anna.run("policy", "apply", str(file), "--reason", "stricter")
    assert proposed.returncode == 0, proposed.stderr
    change_id, state = proposed.stdout.split(":")[0].split()
    assert state == "waiting"
    shown = json.loads(berta.run("change", "show", change_id, "--json").stdout)
    done = berta.run("change", "approve", change_id, "--sha256", shown["content_sha256"])
    assert done.stdout == f"{change_id} made\n", done.stderr


def listed(person):
    """Number, state and rings of every version, the newest first."""
    rows = person.run("policy", "list", "--json").stdout.splitlines()
    read = [json.loads(row) for row in rows]
    return [(row["version"], row["state"], row["rings"]) for row in read]


def until(what, seconds=30.0):
    """Ask again until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def verdict(agent, samples, *findings):
    """The verdict on a report with these findings."""
    answer = agent.ask(samples.transfer(), samples.report(*findings))
    return transfer_pb2.Verdict.Name(answer.decision.verdict).removeprefix("VERDICT_")


def test_a_policy_of_two_people_decides_without_a_restart(
    controller, agent, samples, anna, berta, file
):
    """Not before the second approves; the verdict names its digest, and so does the ledger."""
    assert verdict(agent, samples) == "ALLOW"
    applied(anna, berta, file)
    until(lambda: verdict(agent, samples) == "BLOCK")
    assert listed(anna) == [(2, "active", ["all"]), (1, "superseded", ["all"])]
    shown = json.loads(anna.run("policy", "show", "--json").stdout)
    assert shown["documents"] == {"strict.yaml": text()}
    file.write_text(anna.run("policy", "show", "1").stdout, "utf-8")
    assert load([file]).digest == default_policy().digest
    entries = [e for e in controller.entries() if e["kind"] == "policy-version"]
    assert entries[-1]["policy_digest"] == shown["digest"]
    assert entries[-1]["by"] == [anna.person.id, berta.person.id]
    assert controller.entries()[-1]["kind"] == "view"


def test_a_wrong_policy_is_told_with_its_place_and_never_sent(controller, anna, file):
    """Exit code 1; nothing waits for anybody."""
    file.write_text(text(expression="report.sizee > 1u"), "utf-8")
    done = anna.run("policy", "apply", str(file), "--reason", "wrong")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file.name}:6:46: " in done.stderr
    assert 'the nearest known name is "size"' in done.stderr
    assert anna.run("change", "list", "--json").stdout == ""


def test_a_replay_tells_what_would_change_and_changes_nothing(
    controller, agent, samples, anna, file
):
    """By host, zone and class, with counts and examples; findings are judged as they were."""
    for _ in range(3):
        verdict(agent, samples)
    verdict(agent, samples, samples.finding(class_=FindingClass.PRIVATE))
    before = len(controller.entries())
    done = anna.run("policy", "replay", str(file), "--since", "1h", "--json")
    told = json.loads(done.stdout)
    assert (told["transfers"], told["changed"], told["unreadable"]) == (4, 3, 0)
    (change,) = told["changes"]
    assert (change["count"], change["classes"], change["host"]) == (3, ["clean"], "host-1")
    assert (change["old"], change["new"]) == ("ALLOW by clean", "BLOCK by everything")
    assert len(change["examples"]) == 3
    entries = controller.entries()[before:]
    assert [entry["kind"] for entry in entries] == ["view"]
    assert "3 of 4 transfers would change" in anna.run("policy", "replay", str(file)).stdout
    all_of_it = anna.run("policy", "replay", str(file), "--since", "999999d", "--json").stdout
    assert json.loads(all_of_it)["transfers"] == 4
    newest = anna.run("policy", "replay", str(file), "--limit", "1", "--json").stdout
    assert json.loads(newest)["transfers"] == 1


def test_only_who_may_change_policies_steps_them(controller, anna, tmp_path, file):
    """A viewer reads what decides, and no more; a version that does not exist is not found."""
    vera = join(controller, tmp_path, "vera", Role.VIEWER)
    assert listed(vera) == [(1, "active", ["all"])]
    for words in (("promote", "1"), ("rollback", "1", "--reason", "x"), ("replay", str(file))):
        refused = vera.run("policy", *words)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "role: None of the person's roles allows this." in refused.stderr
    assert "not-found" in anna.run("policy", "promote", "7").stderr
    assert "the version is active" in anna.run("policy", "promote", "1").stderr
    assert anna.run("policy", "show", "7").returncode == 2


HOSTILE = (
    policy_pb2.ReplayPolicyRequest(),
    policy_pb2.ReplayPolicyRequest(documents=[policy_pb2.PolicyDocument(name="a/b")]),
    policy_pb2.ReplayPolicyRequest(documents=[policy_pb2.PolicyDocument(name="a", text="[")] * 65),
    policy_pb2.ReplayPolicyRequest(documents=[policy_pb2.PolicyDocument(name="a", text="x: [")]),
)


def test_hostile_messages_are_refused(controller, anna):
    """A status with a reason, never a stack trace."""
    stub = policy_pb2_grpc.PolicyServiceStub(anna.channel)
    for message in HOSTILE:
        with pytest.raises(grpc.RpcError) as refused:
            stub.ReplayPolicy(message, timeout=10)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, message
        assert refused.value.details().startswith("malformed: ")
    missing = policy_pb2.PromotePolicyRequest(request_id=uuid7(), version=2**64 - 1)
    with pytest.raises(grpc.RpcError) as refused:
        stub.PromotePolicy(missing, timeout=10)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_denials_that_jump_take_a_policy_back(tmp_path, database, new_controller, samples, file):
    """In its ring; the hosts of the ring are decided by the policy before it again."""
    controller = new_controller(tmp_path / "state", database)
    controller.initialise()
    with (controller.state / "controller.toml").open("a") as settings:
        settings.write(RINGS)
    controller.start()
    anna, berta = (join(controller, tmp_path, name, Role.SECURITY) for name in ("anna", "berta"))
    agent = controller.enrol("host-1")
    for _ in range(5):
        assert verdict(agent, samples) == "ALLOW"
    applied(anna, berta, file)
    assert listed(anna)[0] == (2, "rolling", ["canary"])
    until(lambda: verdict(agent, samples) == "BLOCK")
    for _ in range(5):
        verdict(agent, samples)
    until(lambda: verdict(agent, samples) == "ALLOW")
    assert listed(anna)[0] == (2, "rolled-back", ["canary"])
    answer = agent.ask(samples.transfer(), samples.report())
    assert answer.decision.policy_digest == default_policy().digest
    (entry,) = [e for e in controller.entries() if e["kind"] == "policy-rolled-back"]
    assert "denials jumped" in entry["reason"]
