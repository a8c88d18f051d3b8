"""Hosts by the API and the command line: who is turned away, what agents are told."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from people import join

from lockgate.controller.hosts import restoring
from lockgate.controller.hosts.cli import app
from lockgate.controller.people.roles import Role
from lockgate.controller.store.database import open_writer
from lockgate.controller.store.schema import agents
from lockgate.v1 import (
    agent_pb2,
    agent_pb2_grpc,
    change_pb2,
    change_pb2_grpc,
    host_pb2,
    host_pb2_grpc,
)
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, Receipt, Verdict


@pytest.fixture
def database():
    """The file: these calls ask nothing of a database that others do not ask of both kinds."""
    return ""


def said(person, *words):
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(app, [*words, "--login", str(person.login)])
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(call, request):
    """Status and reason of a call that must be refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10)
    reason = dict(caught.value.trailing_metadata() or ()).get("lockgate-reason")
    return caught.value.code(), reason


def test_a_host_is_banned_unbanned_and_evicted_by_people(controller, agent, samples, tmp_path):
    """By name, with a reason in the ledger; and the list says so."""
    anna = join(controller, tmp_path, "anna", Role.SECURITY)
    transfer = samples.transfer()

    def hosts():
        return [json.loads(line) for line in said(anna, "list", "--json").splitlines()]

    said(anna, "ban", "host-1", "--reason", "lost")
    assert hosts()[0]["ban_reason"] == "lost"
    banned = (grpc.StatusCode.PERMISSION_DENIED, "banned")
    request = agent.verdict_request(transfer, samples.report())
    assert refused(agent.stub.RequestVerdict, request) == banned
    said(anna, "unban", "host-1", "--reason", "found")
    assert agent.stub.RequestVerdict(request, timeout=10).ledger_index
    assert "revoked: 1" in said(anna, "evict", "host-1", "--reason", "stolen")
    assert "evict_time" in hosts()[0]
    revoked = (grpc.StatusCode.PERMISSION_DENIED, "certificate-revoked")
    again = agent.verdict_request(samples.transfer(), samples.report())
    assert refused(agent.stub.RequestVerdict, again) == revoked
    told = [e for e in controller.entries() if e["kind"] in {"ban", "unban", "evict"}]
    assert [e["reason"] for e in told] == ["lost", "found", "stolen"]
    assert len({e["by"] for e in told}) == 1
    assert "anna" not in json.dumps(told)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ENGINEER, Role.ZONE_OWNER])
def test_who_has_not_the_role_turns_nobody_away(controller, agent, tmp_path, role):
    """And the attempt is recorded."""
    bert = join(controller, tmp_path, "bert", role)
    stub = host_pb2_grpc.HostServiceStub(bert.channel)
    request = host_pb2.BanHostRequest(request_id=uuid7(), host="host-1", reason="x")
    assert refused(stub.BanHost, request) == (grpc.StatusCode.PERMISSION_DENIED, "role")
    assert controller.entries()[-1]["reason"] == "role"


def test_a_command_of_a_person_reaches_the_stream_and_its_end_is_listed(
    controller, agent, samples, tmp_path
):
    """Quarantine of a transfer's file names path and identity as they were reported."""
    carl = join(controller, tmp_path, "carl", Role.ON_CALL)
    transfer = samples.transfer()
    agent.ask(transfer, samples.report())
    said(carl, "quarantine", "host-1", transfer.transfer_id)
    bits = 1 << agent_pb2.CAPABILITY_QUARANTINE
    hello = agent_pb2.ConnectRequest(hello=agent_pb2.AgentHello(capabilities=bits))

    heard = threading.Event()

    def speak():
        yield hello
        heard.wait(20)

    stream = agent_pb2_grpc.AgentServiceStub(agent.channel).Connect(speak())
    command = next(m.command for m in stream if m.WhichOneof("content") == "command")
    assert command.quarantine.path == transfer.path
    assert command.quarantine.identity.inode == transfer.identity.inode
    heard.set()
    stream.cancel()
    (listed,) = [json.loads(x) for x in said(carl, "commands", "--json").splitlines()]
    assert (listed["action"], listed["host"]) == ("quarantine", "host-1")
    assert "quarantine" in said(carl, "commands")


def test_a_command_to_nobody_or_about_nothing_is_not_found(controller, agent, tmp_path):
    """Rather than waiting for its end."""
    carl = join(controller, tmp_path, "carl", Role.ON_CALL)
    call = host_pb2_grpc.HostServiceStub(carl.channel).SendCommand
    lost = (grpc.StatusCode.NOT_FOUND, "not-found")
    nobody = host_pb2.SendCommandRequest(request_id=uuid7(), host="host-9", rescan_zone="z")
    assert refused(call, nobody) == lost
    nothing = host_pb2.SendCommandRequest(
        request_id=uuid7(), host="host-1", quarantine_transfer_id=uuid7()
    )
    assert refused(call, nothing) == lost
    empty = host_pb2.SendCommandRequest(request_id=uuid7(), host="host-1")
    assert refused(call, empty) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def test_a_restore_needs_a_second_person(controller, agent, samples, tmp_path):
    """Proposed by one, sent to the agent when another approves."""
    dora = join(controller, tmp_path, "dora", Role.SECURITY)
    emil = join(controller, tmp_path, "emil", Role.ZONE_OWNER)
    transfer = samples.transfer()
    agent.ask(transfer, samples.report(samples.finding()))
    moved = Receipt(
        transfer.transfer_id,
        Verdict.QUARANTINE,
        Enforcement.QUARANTINED,
        None,
        1,
        samples.now,
        path=transfer.path,
        quarantine_id="q-1",
    )
    agent.tell(moved)
    where = ["restore", "host-1", "q-1", "--zone", "signing", "--reason", "was a test", "--json"]
    change = json.loads(said(dora, *where))

    def restores():
        return [e for e in controller.entries() if e["kind"] == "command"]

    assert restores() == []
    stub = change_pb2_grpc.ChangeServiceStub(dora.channel)
    seen = stub.GetChange(change_pb2.GetChangeRequest(change_id=change["id"]), timeout=10).change

    def approval():
        return change_pb2.ApproveChangeRequest(
            request_id=uuid7(), change_id=seen.change_id, content_sha256=seen.content_sha256
        )

    own = (grpc.StatusCode.PERMISSION_DENIED, "own-proposal")
    assert refused(stub.ApproveChange, approval()) == own
    change_pb2_grpc.ChangeServiceStub(emil.channel).ApproveChange(approval(), timeout=10)
    (told,) = restores()
    assert (told["action"], told["quarantine_id"]) == ("restore", "q-1")


def test_what_was_never_quarantined_is_not_restored(controller, agent, tmp_path):
    """The proposal is refused."""
    dora = join(controller, tmp_path, "dora", Role.SECURITY)
    content = restoring.write(restoring.Wanted("host-1", "q-9", "signing"))
    request = change_pb2.ProposeChangeRequest(
        request_id=uuid7(), kind="restore", content=content, reason="x"
    )
    stub = change_pb2_grpc.ChangeServiceStub(dora.channel)
    assert refused(stub.ProposeChange, request) == (grpc.StatusCode.NOT_FOUND, "not-found")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_content_that_is_none_is_an_error_of_its_own(content):
    """Whatever bytes are proposed."""
    with pytest.raises(ValueError, match="content"):
        restoring.read(content)


def test_every_host_is_listed_over_pages(controller, tmp_path):
    """More than fit into one answer."""
    engine = open_writer(controller.settings.store)
    with engine.begin() as connection:
        rows = [{"host": f"host-{number:04}", "enrolled_at": 1} for number in range(1203)]
        connection.execute(insert(agents), rows)
    engine.dispose()
    anna = join(controller, tmp_path, "anna", Role.VIEWER)
    names = [json.loads(line)["name"] for line in said(anna, "list", "--json").splitlines()]
    assert names == [f"host-{number:04}" for number in range(1203)]
