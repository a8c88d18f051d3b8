"""A storm of streams, as when a controller is back and every agent calls at once."""

import asyncio
from datetime import timedelta

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert

from lockgate.controller import clock
from lockgate.controller.identity import authority
from lockgate.controller.store.database import open_writer
from lockgate.controller.store.schema import agents, certificates
from lockgate.v1 import agent_pb2 as pb
from lockgate.v1 import agent_pb2_grpc

#: More than gRPC lets wait by itself, and enough handshakes at once to meet each other.
STREAMS = 2000


@pytest.fixture
def database():
    """The file: a storm is the ports' matter."""
    return ""


def admitted(controller):
    """One key, with a recorded certificate for each of many hosts."""
    ca = authority.load(controller.settings.identity_dir)
    key, now = ec.generate_private_key(ec.SECP256R1()), clock.now()
    life, micros = timedelta(hours=1), clock.to_micros(now)
    made = [ca.issue_agent(f"h{n}", key.public_key(), now, life) for n in range(STREAMS)]
    serials = [
        {
            "serial": f"{certificate.serial_number:x}",
            "host": f"h{number}",
            "issued_at": micros,
            "expires_at": clock.to_micros(now + life),
        }
        for number, certificate in enumerate(made)
    ]
    engine = open_writer(controller.settings.store)
    with engine.begin() as connection:
        hosts = [{"host": f"h{n}", "enrolled_at": micros} for n in range(STREAMS)]
        connection.execute(insert(agents), hosts)
        connection.execute(insert(certificates), serials)
    engine.dispose()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, [certificate.public_bytes(serialization.Encoding.PEM) for certificate in made]


async def greeted(controller, pem, chain):
    """What the controller says first on a new stream over a connection of its own; left open."""
    credentials = grpc.ssl_channel_credentials(controller.ca, pem, chain)
    options = (("grpc.use_local_subchannel_pool", 1),)
    channel = grpc.aio.secure_channel(controller.addresses["grpc"], credentials, options)
    call = agent_pb2_grpc.AgentServiceStub(channel).Connect()
    await call.write(pb.ConnectRequest(hello=pb.AgentHello(version="storm")))
    first = await call.read()
    return first.WhichOneof("content"), channel


def test_every_agent_is_greeted_when_all_call_at_once(controller):
    """None is dropped, and the controller outlives it."""
    pem, chains = admitted(controller)

    async def storm():
        opened = await asyncio.gather(*(greeted(controller, pem, chain) for chain in chains))
        await asyncio.gather(*(channel.close() for _, channel in opened))
        return [word for word, _ in opened]

    words = asyncio.run(asyncio.wait_for(storm(), 180))
    assert words == ["hello"] * STREAMS
    assert controller.process.poll() is None
