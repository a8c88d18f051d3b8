"""The controller's end of agents' streams as a test wants it, over real gRPC on loopback."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from lockgate.v1 import agent_pb2 as pb
from lockgate.v1 import agent_pb2_grpc


class StreamController(agent_pb2_grpc.AgentServiceServicer):
    """Keeps what it hears. ``acknowledges``: heartbeats and receipts; ``refuse``: how it ends."""

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.acknowledges = acknowledges
        self.refuse: tuple[grpc.StatusCode, str] | None = None
        self.heard: list[pb.ConnectRequest] = []
        self.streams = 0
        self._to_say: queue.SimpleQueue[pb.ConnectResponse | None] = queue.SimpleQueue()
        self._server = grpc.server(ThreadPoolExecutor(8))
        agent_pb2_grpc.add_AgentServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def Connect(  # noqa: N802
        self, requests: Iterator[pb.ConnectRequest], context: Any
    ) -> Iterator[pb.ConnectResponse]:
        """Greet, acknowledge, and say what the test gives."""
        self.streams += 1
        if self.refuse is not None:
            context.set_trailing_metadata((("lockgate-reason", self.refuse[1]),))
            context.abort(self.refuse[0], "told to")
        self._to_say = said = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(requests, said), daemon=True).start()
        yield pb.ConnectResponse(hello=pb.ControllerHello(version="fake", heartbeat_seconds=1))
        while (message := said.get()) is not None:
            yield message

    def _listen(self, requests: Iterator[pb.ConnectRequest], said: Any) -> None:
        try:
            for request in requests:
                self.heard.append(request)
                if self.acknowledges:
                    self._acknowledge(request, said)
        except Exception:
            pass
        said.put(None)

    @staticmethod
    def _acknowledge(request: pb.ConnectRequest, said: Any) -> None:
        if request.HasField("heartbeat"):
            ack = pb.HeartbeatAck(sequence=request.heartbeat.sequence)
            said.put(pb.ConnectResponse(heartbeat_ack=ack))
        if request.HasField("receipt"):
            done = pb.CommandReceiptAck(command_id=request.receipt.command_id)
            said.put(pb.ConnectResponse(receipt_ack=done))

    def say(self, **content: Any) -> None:
        """Send a message on the newest stream."""
        self._to_say.put(pb.ConnectResponse(**content))

    def end_stream(self) -> None:
        """End the newest stream."""
        self._to_say.put(None)

    def of(self, kind: str) -> list[Any]:
        """What was heard of one kind."""
        return [getattr(m, kind) for m in list(self.heard) if m.WhichOneof("content") == kind]

    def close(self) -> None:
        """Stop serving."""
        self._server.stop(None)
