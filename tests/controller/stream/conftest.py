"""An agent's end of the stream, said by hand."""

import queue
import threading
import time

import grpc
import pytest

from lockgate.v1 import agent_pb2 as pb
from lockgate.v1 import agent_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.agent import Capability

_END = object()


class Line:
    """One open stream of an agent."""

    def __init__(self, channel, capabilities=tuple(Capability), hello=True):
        self._said = queue.SimpleQueue()
        self.heard = []
        self.refusal = None
        self.ended = threading.Event()
        stub = agent_pb2_grpc.AgentServiceStub(channel)
        self.call = stub.Connect(iter(self._said.get, _END))
        if hello:
            bits = convert.capabilities_to_wire(capabilities)
            self.say(hello=pb.AgentHello(capabilities=bits, version="test"))
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, **content):
        """Send one message."""
        self._said.put(pb.ConnectRequest(**content))

    def beat(self, sequence, health=None):
        """Send a heartbeat."""
        wire = None if health is None else convert.health_to_wire(health)
        self.say(heartbeat=pb.Heartbeat(sequence=sequence, health=wire))

    def close(self):
        """End it from this side."""
        self._said.put(_END)
        self.call.cancel()
        self.ended.wait(60)

    def of(self, kind):
        """Every message of a kind that came."""
        return [getattr(m, kind) for m in list(self.heard) if m.WhichOneof("content") == kind]

    def wait_for(self, kind, count=1, seconds=60.0):
        """The messages of a kind, once there are so many."""
        wait_until(lambda: len(self.of(kind)) >= count, seconds)
        return self.of(kind)

    def wait_for_end(self, seconds=60.0):
        """Status and reason with which the controller ended it."""
        assert self.ended.wait(seconds), "the stream is still open"
        return self.refusal

    def _listen(self):
        try:
            for message in self.call:
                self.heard.append(message)
        except grpc.RpcError as error:
            reason = dict(error.trailing_metadata() or ()).get("lockgate-reason")
            assert "Traceback" not in (error.details() or "")
            self.refusal = (error.code(), reason)
        self.ended.set()


def wait_until(check, seconds=60.0):
    """What ``check`` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def connect():
    """Opens streams, and closes what is left of them."""
    lines = []

    def make(agent, **options):
        lines.append(Line(agent.channel, **options))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


@pytest.fixture
def of_kind(controller):
    """Ledger entries of a kind, once there are so many."""

    def find(kind, count=1, seconds=60.0):
        def entries():
            found = [entry for entry in controller.entries() if entry["kind"] == kind]
            return found if len(found) >= count else None

        return wait_until(entries, seconds)

    return find
