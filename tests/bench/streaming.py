"""Simulated agents that hold their streams open: one connection and one stream for each.

Usage: ``streaming.py ADDRESS FOLDER FIRST COUNT``; ``FOLDER`` is one that ``fleet.admit`` made,
of which this process plays the agents from FIRST on. Prints READY whenever all of them have been
answered on their streams: at the beginning, and after every loss of the controller. A stream that
ends is opened again within two seconds, as the agent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from pathlib import Path

import grpc
from fleet import admitted

from lockgate.v1 import agent_pb2, agent_pb2_grpc

_AT_ONCE = 100
_HEARTBEAT_SECONDS = 30.0
_LONGEST_PAUSE = 2.0
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]


class Fleet:
    """All agents of this process."""

    def __init__(self, address: str, count: int) -> None:
        self._address = address
        self._count = count
        self._open = 0
        self._doors = asyncio.Semaphore(_AT_ONCE)

    async def play(self, ca: bytes, key: bytes, own: bytes) -> None:
        """One agent, for ever."""
        credentials = grpc.ssl_channel_credentials(ca, key, own)
        sequence = 0
        while True:
            with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
                async with grpc.aio.secure_channel(self._address, credentials, _OPTIONS) as channel:
                    sequence = await self._hold(channel, sequence)
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))

    async def _hold(self, channel: grpc.aio.Channel, sequence: int) -> int:
        """A stream from its hello to its end; the number of its last heartbeat."""
        async with self._doors:
            stream = agent_pb2_grpc.AgentServiceStub(channel).Connect()
            hello = agent_pb2.AgentHello(version="0.1.0")
            await stream.write(agent_pb2.ConnectRequest(hello=hello))
            if await stream.read() is grpc.aio.EOF:
                return sequence
        self._open += 1
        if self._open == self._count:
            print("READY", flush=True)
        try:
            reader = asyncio.create_task(_read(stream))
            while not (await asyncio.wait([reader], timeout=_pause()))[0]:
                sequence += 1
                beat = agent_pb2.Heartbeat(sequence=sequence, health=_HEALTH)
                await stream.write(agent_pb2.ConnectRequest(heartbeat=beat))
        finally:
            self._open -= 1
        return sequence


_HEALTH = agent_pb2.AgentHealth(state=agent_pb2.GUARD_STATE_ENFORCING)


def _pause() -> float:
    return _HEARTBEAT_SECONDS * random.uniform(0.8, 1.2)


async def _read(stream: grpc.aio.StreamStreamCall) -> None:
    with contextlib.suppress(grpc.RpcError):
        while await stream.read() is not grpc.aio.EOF:
            pass


async def _all(address: str, folder: Path, first: int, count: int) -> None:
    mine = admitted(folder)[first : first + count]
    fleet = Fleet(address, len(mine))
    await asyncio.gather(*(fleet.play(ca, key, own) for _, ca, key, own in mine))


def main() -> None:
    """Play until killed."""
    address, folder, first, count = sys.argv[1:]
    asyncio.run(_all(address, Path(folder), int(first), int(count)))


if __name__ == "__main__":
    main()
