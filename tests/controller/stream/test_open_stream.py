"""The end of one stream, without a network."""

import asyncio
from datetime import UTC, datetime

from lockgate.controller.identity.peers import Peer
from lockgate.controller.stream.hub import Hub
from lockgate.controller.stream.open_stream import OpenStream
from lockgate.controller.stream.service import AgentService
from lockgate.v1 import agent_pb2 as pb

YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
PEER = Peer("host-1", "ab", *YEAR)


class AdmittingCalls:
    """Admits every stream; the store is away."""

    def identify(self, context):
        """The one agent."""
        return PEER

    async def submit(self, unit):
        """The number of the last heartbeat."""
        return b"0"


class SlowContext:
    """A call whose every write takes a moment."""

    def __init__(self):
        self.written = []
        self.writing = asyncio.Event()

    async def write(self, message):
        """Write slowly; a write that is stopped is not in ``written``."""
        self.writing.set()
        await asyncio.sleep(0.1)
        self.written.append(message.WhichOneof("content"))


async def one_hello(context):
    """An agent that hangs up while it is greeted."""
    yield pb.ConnectRequest(hello=pb.AgentHello(version="test"))
    await context.writing.wait()


def test_no_write_is_stopped_in_the_middle():
    """A call that was stopped while it wrote may never end for its peer."""
    context = SlowContext()
    service = AgentService(AdmittingCalls(), None, Hub(), 5.0)
    asyncio.run(asyncio.wait_for(service.Connect(one_hello(context), context), 10))
    assert context.written == ["hello"]


def test_after_the_end_nothing_more_is_said():
    """What waited is dropped, and what comes later is not taken."""

    async def speak():
        stream = OpenStream(PEER, frozenset(), 0)
        assert stream.say(pb.ConnectResponse(hello=pb.ControllerHello()))
        stream.end(None)
        assert not stream.say(pb.ConnectResponse(hello=pb.ControllerHello()))
        return await asyncio.wait_for(stream.next(), 10)

    assert asyncio.run(speak()) is None
