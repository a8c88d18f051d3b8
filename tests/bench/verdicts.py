"""Verdicts a second over mutual TLS with the durable ledger, and how long one takes."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "incident"), str(TESTS / "fakes")]

from parts import Controller  # noqa: E402  # shared by path, not installed
from peer import Peer  # noqa: E402

from lockgate.v1 import decision_pb2_grpc  # noqa: E402

STEADY_PER_SECOND = 100
STEADY_SECONDS = 20
CLOSED_LOOP = 64
CLOSED_LOOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load; ``p50`` and ``p99`` in milliseconds."""

    load: str
    per_second: float
    p50: float
    p99: float


def _of(load: str, times: list[float], seconds: float) -> Load:
    times.sort()
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    return Load(load, len(times) / seconds, middle * 1000, late * 1000)


async def _steady(peer: Peer) -> Load:
    """A fixed rate, whatever the answers do: no waiting hides behind slow answers."""
    times: list[float] = []
    async with peer.channel() as channel:
        stub = decision_pb2_grpc.DecisionServiceStub(channel)
        await peer.ask(stub, 0)

        async def one(number: int, due: float) -> None:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await peer.ask(stub, number)
            times.append(time.perf_counter() - due)

        start = time.perf_counter() + 0.2
        count = STEADY_PER_SECOND * STEADY_SECONDS
        await asyncio.gather(*(one(n + 1, start + n / STEADY_PER_SECOND) for n in range(count)))
        return _of(f"{STEADY_PER_SECOND} a second", times, time.perf_counter() - start)


async def _closed_loop(peer: Peer) -> Load:
    times: list[float] = []
    async with peer.channel() as channel:
        stub = decision_pb2_grpc.DecisionServiceStub(channel)
        end = time.perf_counter() + CLOSED_LOOP_SECONDS

        async def ask_on(first: int) -> None:
            number = first
            while (now := time.perf_counter()) < end:
                await peer.ask(stub, number)
                times.append(time.perf_counter() - now)
                number += CLOSED_LOOP

        await asyncio.gather(*(ask_on(n + 100_000) for n in range(CLOSED_LOOP)))
    return _of(f"{CLOSED_LOOP} at once, as fast as it goes", times, CLOSED_LOOP_SECONDS)


def run(folder: Path) -> list[Load]:
    """Both loads against one controller."""
    controller = Controller(folder / "controller", folder)
    controller.prepare()
    with controller.running():
        place = (controller.address, controller.enrol_address)
        first = Peer(folder / "a", *place, controller.token(), "bench-1")
        second = Peer(folder / "b", *place, controller.token(), "bench-2")
        return [asyncio.run(_steady(first)), asyncio.run(_closed_loop(second))]
