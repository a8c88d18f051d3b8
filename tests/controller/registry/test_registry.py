"""The registry of a running controller: two people change it, decisions follow, agents read it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from leaks import approved, public_key, restarted_with, said, wait_until
from people import join

from lockgate.controller.people.roles import Role
from lockgate.controller.store import reading
from lockgate.scan.registry import read_file
from lockgate.v1 import registry_pb2 as pb
from lockgate.v1 import registry_pb2_grpc, transfer_pb2

REGISTRY = ("controller", "registry")
PRINT = "sha256:" + "ab" * 32


@pytest.fixture
def database() -> str:
    """One kind of store: the parts are tested with both, the commands do not know which it is."""
    return ""


@pytest.fixture
def anna(controller, tmp_path):
    """She answers for keys."""
    return join(controller, tmp_path, "anna", Role.SECURITY)


@pytest.fixture
def berta(controller, tmp_path):
    """So does she."""
    return join(controller, tmp_path, "berta", Role.SECURITY)


def decided(agent, samples, **changes):
    """What becomes of a file with the key of the samples."""
    report = samples.report(samples.finding())
    return agent.ask(samples.transfer(**changes), report).decision.verdict


def test_a_key_is_protected_from_the_approval_on(controller, agent, samples, anna, berta):
    """Without a restart; and no longer once its removal was approved."""
    assert decided(agent, samples) == transfer_pb2.VERDICT_BLOCK
    put = anna.run(
        *REGISTRY, "add", "--fingerprint", PRINT, "--name", "token-signing",
        "--owner", "identity team", "--zone", "signing", "--made", "2026-01-31",
        "--on-leak", "rotate", "--hook", "pager", "--reason", "new key", "--json",
    )  # fmt: skip
    own = said(put)[0]
    refused = anna.run("change", "approve", own["id"], "--sha256", own["content_sha256"])
    assert (refused.returncode, "own-proposal" in refused.stderr) == (2, True)
    assert decided(agent, samples) == transfer_pb2.VERDICT_BLOCK
    approved(put, berta)
    wait_until(lambda: decided(agent, samples) == transfer_pb2.VERDICT_QUARANTINE)
    (shown,) = said(berta.run(*REGISTRY, "show", PRINT, "--json"))
    assert (shown["owner"], shown["zones"], shown["hooks"]) == (
        "identity team",
        ["signing"],
        ["pager"],
    )
    assert shown["age_days"] > 0
    text = str(controller.entries())
    assert "protected-key-put" in text
    assert "identity team" not in text
    approved(anna.run(*REGISTRY, "remove", PRINT, "--reason", "retired", "--json"), berta)
    wait_until(lambda: decided(agent, samples) == transfer_pb2.VERDICT_BLOCK)
    assert said(anna.run(*REGISTRY, "list", "--json")) == []


def test_a_key_outside_its_zones_is_a_violation_of_its_own(controller, agent, samples, anna, berta):
    """A ledger entry and an alert beside those of the transfer, with the incident's number."""
    words = ("--fingerprint", PRINT, "--name", "token-signing", "--zone", "hsm", "--reason", "x")
    approved(anna.run(*REGISTRY, "add", *words, "--json"), berta)
    wait_until(lambda: decided(agent, samples) == transfer_pb2.VERDICT_QUARANTINE)
    marks = [e for e in controller.entries() if e["kind"] == "zone-violation"]
    (incident,) = said(anna.run("incidents", "list", "--json"))
    assert marks
    for mark in marks:
        assert (mark["zone"], mark["protected_name"]) == ("signing", "token-signing")
        assert mark["incident"] == incident["id"]
    assert [place["misplaced"] for place in incident["places"]] == [True]
    told = [a["event"] for a in controller.read(reading.alerts_of, 1000)]
    violations = [e for e in told if e["unmapped"]["lockgate"]["event"] == "zone-violation"]
    assert len(violations) == len(marks)
    assert {event["severity_id"] for event in violations} == {5}


def test_what_is_exported_is_what_scans_and_imports_read(controller, anna, berta, tmp_path):
    """Keys of every form, once around; the settings' files are in it too."""
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = {
        "kty": "EC", "crv": "P-256", "kid": "from-jwks",
        **{n: _b64(getattr(private.public_key().public_numbers(), n)) for n in "xy"},
    }  # fmt: skip
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [jwk]}))
    ssh = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (tmp_path / "id.pub").write_bytes(ssh.public_bytes(*form) + b" from-ssh\n")
    restarted_with(controller, f'registry_files = ["{public_key(tmp_path)}"]')
    for person in (anna, berta):
        (person.login / "address").write_text(controller.addresses["grpc"])
    files = [str(tmp_path / "keys.json"), str(tmp_path / "id.pub")]
    options = ("--owner", "team", "--zone", "signing", "--reason", "x", "--json")
    approved(anna.run(*REGISTRY, "import", *files, *options), berta)
    out = tmp_path / "out.toml"
    assert anna.run(*REGISTRY, "export", "--out", str(out)).returncode == 0
    keys = {key.name: key for key in read_file(out)}
    assert {"from-jwks", "from-ssh", str(tmp_path / "signing.pem")} == set(keys)
    assert keys["from-jwks"].record.owner == keys["from-ssh"].record.owner == "team"
    assert all(key.is_searchable for key in keys.values())
    approved(anna.run(*REGISTRY, "import", str(out), "--reason", "again", "--json"), berta)
    again = tmp_path / "again.toml"
    assert anna.run(*REGISTRY, "export", "--out", str(again)).returncode == 0
    assert again.read_text() == out.read_text()
    scanned = anna.run("scan", "--registry", str(out), "--format", "json", str(again))
    assert scanned.returncode in {0, 1, 3}, scanned.stderr


def _b64(number: int) -> str:
    import base64

    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def test_a_file_with_a_private_key_is_refused_without_quoting_it(controller, anna, tmp_path):
    """In any form, before anything is sent: the ledger has no trace of it."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    pkcs8, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    d = _b64(private.private_numbers().private_value)
    contents = (
        private.private_bytes(pem, pkcs8, no),
        private.private_bytes(der, pkcs8, no),
        json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "d": d}]}).encode(),
        private.private_bytes(pem, serialization.PrivateFormat.OpenSSH, no),
    )
    for content in contents:
        path = tmp_path / "key"
        path.write_bytes(content)
        answer = anna.run(*REGISTRY, "import", str(path), "--reason", "x")
        assert answer.returncode == 2
        assert len(answer.stderr.splitlines()) == 1
        assert "private key" in answer.stderr
        assert d not in answer.stderr
    assert not [e for e in controller.entries() if e["kind"] in {"change-proposed", "refusal"}]


def test_the_controller_refuses_a_private_key_too(controller, anna):
    """Whoever calls the API without our command: malformed, in the ledger, not quoted."""
    from lockgate.v1 import change_pb2, change_pb2_grpc
    from lockgate.wire.ids import uuid7

    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    stub = change_pb2_grpc.ChangeServiceStub(anna.channel)
    request = change_pb2.ProposeChangeRequest(
        request_id=uuid7(), kind="protected-key", content=private, reason="x"
    )
    with pytest.raises(grpc.RpcError) as refused:
        stub.ProposeChange(request, timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "private key" in refused.value.details()
    body = private.splitlines()[1].decode()
    assert body not in refused.value.details() + str(controller.entries())
    assert body.encode() not in (controller.state / "log").read_bytes()


def test_an_agent_fetches_what_its_scans_look_for(controller, agent, anna, berta, tmp_path):
    """Names and public halves, no owner; unchanged it costs a digest; people may not."""
    words = (str(public_key(tmp_path)), "--name", "signing", "--owner", "team", "--reason", "x")
    approved(anna.run(*REGISTRY, "add", *words, "--json"), berta)
    stub = registry_pb2_grpc.RegistryServiceStub(agent.channel)
    fetched = wait_until(
        lambda: (a := stub.FetchRegistry(pb.FetchRegistryRequest(), timeout=10)).size and a
    )
    path = tmp_path / "fetched.toml"
    path.write_bytes(fetched.content)
    (key,) = read_file(path)
    assert (key.name, key.record.owner, key.is_searchable) == ("signing", "", True)
    same = stub.FetchRegistry(pb.FetchRegistryRequest(digest=fetched.digest), timeout=10)
    assert (same.digest, same.content) == (fetched.digest, b"")
    rest = stub.FetchRegistry(pb.FetchRegistryRequest(offset=10), timeout=10)
    assert rest.content == fetched.content[10:]
    fetches = [e for e in controller.entries() if e["kind"] == "registry-fetched"]
    assert fetches[-1] == {**fetches[-1], "host": "host-1", "digest": fetched.digest}
    with pytest.raises(grpc.RpcError) as refused:
        registry_pb2_grpc.RegistryServiceStub(anna.channel).FetchRegistry(
            pb.FetchRegistryRequest(), timeout=10
        )
    assert refused.value.details().startswith("identity-unknown")


def test_only_some_roles_change_the_registry(controller, tmp_path):
    """A viewer reads it, and proposes nothing."""
    vera = join(controller, tmp_path, "vera", Role.VIEWER)
    words = ("--fingerprint", PRINT, "--name", "x", "--reason", "x")
    refused = vera.run(*REGISTRY, "add", *words)
    assert (refused.returncode, "role" in refused.stderr) == (2, True)
    assert said(vera.run(*REGISTRY, "list", "--json")) == []
