"""Channels: mTLS where it must be, enrolment only to the pinned CA, rotation without restart."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.controller.identity import authority
from lockgate.v1 import decision_pb2, decision_pb2_grpc
from lockgate.wire import channels

NOW = datetime.now(UTC)


class Echo(decision_pb2_grpc.DecisionServiceServicer):
    """Answers one call."""

    async def ReportGuard(self, request, context):  # noqa: N802  (the name is the contract's)
        """Answer."""
        return decision_pb2.ReportGuardResponse(ledger_index=7)


@asynccontextmanager
async def serving(credentials):
    """A server on a free loopback port; its target."""
    server = grpc.aio.server()
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(Echo(), server)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def ask(channel):
    """One call; the answer's number."""

    def call():
        with channel:
            stub = decision_pb2_grpc.DecisionServiceStub(channel)
            return stub.ReportGuard(decision_pb2.ReportGuardRequest(), timeout=10).ledger_index

    return await asyncio.to_thread(call)


@pytest.fixture
def ca(tmp_path):
    """A fresh authority."""
    return authority.create(tmp_path / "identity", "lockgate.test", NOW)


def client(ca):
    """Chain and key of an agent, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)  # other tests may have run for hours since this file was read
    leaf = ca.issue_agent("host1", key.public_key(), now, timedelta(hours=1))
    pem = authority.serialization.Encoding.PEM
    return leaf.public_bytes(pem), authority._private_pem(key)


def test_the_decision_port_wants_a_certificate_of_our_ca(ca, tmp_path):
    """A client with a certificate is answered, one of another CA is not."""
    other = authority.create(tmp_path / "other", "lockgate.test", NOW)

    async def scene():
        shown = ca.issue_server(["127.0.0.1"], NOW, timedelta(days=90))
        mtls = channels.server_credentials(shown.chain, shown.key, client_ca=ca.bundle)
        async with serving(mtls) as target:
            for issuer, answered in ((ca, True), (other, False)):
                chain, key = client(issuer)
                channel = channels.client_channel(
                    target, trust_bundle=ca.bundle, chain=chain, key=key
                )
                if answered:
                    assert await ask(channel) == 7
                else:
                    with pytest.raises(grpc.RpcError):
                        await ask(channel)

    asyncio.run(scene())


def test_enrolment_trusts_the_pinned_ca_only(ca):
    """The right pin is answered; a wrong pin and a dead port are refused before any call."""

    async def scene():
        shown = ca.issue_server(["127.0.0.1"], NOW, timedelta(days=90))
        plain = channels.server_credentials(shown.chain, shown.key, client_ca=None)
        async with serving(plain) as target:
            pinned = await asyncio.to_thread(channels._pinned, target, ca.sha256, 10.0)
            assert pinned
            channel = await asyncio.to_thread(channels.enrolment_channel, target, ca.sha256)
            assert await ask(channel) == 7
            with pytest.raises(channels.PinError):
                await asyncio.to_thread(channels.enrolment_channel, target, "0" * 64)
        with pytest.raises(channels.PinError):
            channels.enrolment_channel("127.0.0.1:1", ca.sha256)

    asyncio.run(scene())


def test_a_rotated_certificate_is_shown_without_a_restart(ca):
    """A new handshake sees the new certificate."""

    async def scene():
        shown = [ca.issue_server(["127.0.0.1"], NOW, timedelta(days=90)) for _ in range(2)]
        current = [shown[0]]
        credentials = channels.rotating_server_credentials(
            lambda: (current[0].chain, current[0].key), client_ca=None
        )
        async with serving(credentials) as target:
            first = await asyncio.to_thread(channels._shown_chain, target, 10.0)
            current[0] = shown[1]
            second = await asyncio.to_thread(channels._shown_chain, target, 10.0)
        assert first != second

    asyncio.run(scene())


def test_a_certificate_is_handed_to_grpc_only_when_it_is_new(monkeypatch):
    """It is replaced while other handshakes use it, and a storm of those crashed the server."""
    given = []
    monkeypatch.setattr(
        grpc, "dynamic_ssl_server_credentials", lambda first, ask, **_: given.append((first, ask))
    )
    shown = [(b"chain 1", b"key 1")]
    channels.rotating_server_credentials(lambda: shown[-1], client_ca=b"ca")
    ((first, ask),) = given
    assert first is not None
    assert [ask(), ask()] == [None, None]
    shown.append((b"chain 2", b"key 2"))
    assert ask() is not None
    assert ask() is None
