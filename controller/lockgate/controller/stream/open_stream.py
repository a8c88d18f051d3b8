"""One open stream, between whoever has something to say and the call that says it.

Rules enforced here:

1. What waits to be said is bounded: an agent that does not read costs itself its stream.
2. A stream ends once, for one reason; who ends it waits for nobody, and what still waited to be
   said is not said any more.
"""

from __future__ import annotations

import asyncio

from lockgate.controller.identity.peers import Peer
from lockgate.controller.refusals import Refusal
from lockgate.v1 import agent_pb2 as pb
from lockgate.wire.agent import Capability

_MOST_WAITING = 256


class OpenStream:
    """The stream of one agent. Used in one event loop."""

    def __init__(self, peer: Peer, capabilities: frozenset[Capability], last_beat: int) -> None:
        self.peer = peer
        self.capabilities = capabilities
        self.last_beat = last_beat
        self.has_beaten = False
        self.given: set[str] = set()
        self._waiting: asyncio.Queue[pb.ConnectResponse | None] = asyncio.Queue(_MOST_WAITING)
        self._ending: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()

    def say(self, message: pb.ConnectResponse) -> bool:
        """Have ``message`` sent; False when too much waits already, or the stream has ended."""
        if self._waiting.full() or self._ending.done():
            return False
        self._waiting.put_nowait(message)
        return True

    async def say_in_turn(self, message: pb.ConnectResponse) -> None:
        """Have ``message`` sent, when there is room for it."""
        await self._waiting.put(message)

    async def next(self) -> pb.ConnectResponse | None:
        """What is to be sent next; None: nothing more."""
        return await self._waiting.get()

    def end(self, why: Refusal | None) -> None:
        """End the stream; None: the agent ended it."""
        if self._ending.done():
            return
        self._ending.set_result(why)
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def ended(self) -> Refusal | None:
        """Wait for the end, and why it is."""
        return await asyncio.shield(self._ending)
