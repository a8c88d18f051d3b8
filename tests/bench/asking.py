"""A client of the load benchmark: agents that ask for verdicts as fast as they are answered.

Usage: ``asking.py ADDRESS FOLDER METHOD FILES SECONDS``; ``FOLDER`` is one that ``fleet.admit``
made, ``FILES`` is ``clean`` or ``found``. Prints READY, waits for a line, lets every agent ask one
question after the other, and prints the milliseconds of every call in one line of JSON.

Questions are made and serialised beforehand, so that this process costs as little as it can.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from fleet import admitted  # shared by path, not installed
from peer import verdict_request

_QUESTIONS = 40_000
_WARM_UP = 5


class Asking:
    """One agent on a connection of its own."""

    def __init__(
        self, address: str, identity: tuple[str, bytes, bytes, bytes], method: str
    ) -> None:
        self.host, ca, key, own = identity
        credentials = grpc.ssl_channel_credentials(ca, key, own)
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.secure_channel(address, credentials, options)
        self._call = self._channel.unary_unary(method)
        self.times: list[float] = []

    def prepare(self, count: int, *, clean: bool) -> None:
        """Make ``count`` questions, each about a file of its own.

        Only the plain server is so fast that they are asked again from the first.
        """
        now = datetime.now(UTC)
        made = [verdict_request(self.host, n, n + 1, now, clean=clean) for n in range(count)]
        self._questions = cycle([request.SerializeToString() for request in made])

    async def ask(self) -> None:
        """One question."""
        await self._call(next(self._questions), timeout=30)

    async def ask_until(self, end: float) -> None:
        """Question after question."""
        while (start := time.perf_counter()) < end:
            await self.ask()
            self.times.append((time.perf_counter() - start) * 1000)

    async def close(self) -> None:
        """Leave."""
        await self._channel.close()


async def _all(address: str, folder: Path, method: str, files: str, seconds: float) -> list[float]:
    asking = [Asking(address, identity, method) for identity in admitted(folder)]
    for each in asking:
        each.prepare(_QUESTIONS // len(asking), clean=files == "clean")
        for _ in range(_WARM_UP):
            await each.ask()
    gc.freeze()
    print("READY", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    end = time.perf_counter() + seconds
    await asyncio.gather(*(each.ask_until(end) for each in asking))
    await asyncio.gather(*(each.close() for each in asking))
    return [took for each in asking for took in each.times]


def main() -> None:
    """Ask and print."""
    address, folder, method, files, seconds = sys.argv[1:]
    times = asyncio.run(_all(address, Path(folder), method, files, float(seconds)))
    print(json.dumps([round(each, 3) for each in times]))


if __name__ == "__main__":
    main()
