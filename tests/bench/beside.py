"""What a latency-bound service loses at p99 while a dump is scanned beside it.

The service answers a request over loopback after a little work; its client asks a thousand times
a second at most. The scan is one of the background: nobody waits for it. Rounds with and
without it take turns, so that whatever else changes on the machine changes both.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import corpora

DUMP_BYTES = 1 << 30
#: The best of so many rounds: what else runs on the machine only ever adds.
ROUNDS = 25
ROUND_S = 1.0
PAUSE_S = 0.001
_REQUEST = bytes(64)
_WORK = bytes(64 << 10)
_WARM = 50


@dataclass(frozen=True, slots=True)
class Latency:
    """Microseconds of a request in the best round beside ``load``.

    ``loss_percent``: how much longer p99 is than without any load.
    """

    load: str
    p50: float
    p99: float
    loss_percent: float


def serve() -> None:
    """Answer requests on a loopback port, which is printed first, until the client goes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while connection.recv(len(_REQUEST)):
            connection.sendall(hashlib.sha256(_WORK).digest())


def ask(port: int, seconds: float) -> None:
    """Ask for some seconds; prints p50 and p99 in microseconds."""
    took: list[int] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(PAUSE_S)
            began = time.perf_counter_ns()
            connection.sendall(_REQUEST)
            connection.recv(64)
            took.append(time.perf_counter_ns() - began)
    cuts = statistics.quantiles(took[_WARM:], n=100)
    print(cuts[49] / 1000, cuts[98] / 1000)


def _round() -> tuple[float, float]:
    """p50 and p99 of one round."""
    program = [sys.executable, __file__]
    with subprocess.Popen([*program, "serve"], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        port = service.stdout.readline().strip()
        asking = [*program, "ask", port, str(ROUND_S)]
        said = subprocess.run(asking, stdout=subprocess.PIPE, text=True, check=True).stdout
    p50, p99 = map(float, said.split())
    return p50, p99


@contextmanager
def _scanning(dump: Path) -> Iterator[int]:
    """A worker scans the dump, and again when it is through, while the block runs; its pid."""
    from lockgate.agent.workers.pool import WorkerPool
    from lockgate.agent.workers.settings import WorkerSettings, ZoneWorkers, worker_account

    account = None if os.geteuid() else worker_account()
    pool = WorkerPool(WorkerSettings(others=ZoneWorkers(account)))
    fd = os.open(dump, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for job in range(100):
            pool.submit(job, fd, str(dump), 600, background=True)
        while not ((seen := pool.progress(0)) and seen.done_bytes):
            time.sleep(0.05)
        yield pool.process_ids()[0]
        if not pool.process_ids() or any(report.gaps for _, report in pool.collect()):
            raise RuntimeError("the dump was not scanned")
    finally:
        os.close(fd)
        pool.close()


def _dump(folder: Path) -> Path:
    """A dense core, as often as fills the size."""
    core = corpora.core_of(corpora.DENSE_PROGRAM, folder / "beside").read_bytes()
    target = folder / "dump"
    with target.open("wb") as out:
        while out.tell() < DUMP_BYTES:
            out.write(core[: DUMP_BYTES - out.tell()])
    return target


def run(folder: Path) -> list[Latency]:
    """Without the scan, and beside it."""
    dump = _dump(folder)
    alone: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    with _scanning(dump) as worker:
        for _ in range(ROUNDS):
            os.kill(worker, signal.SIGSTOP)
            alone.append(_round())
            os.kill(worker, signal.SIGCONT)
            beside.append(_round())
    return [_latency("nothing", alone, alone), _latency("the scan of a dump", beside, alone)]


def _latency(
    load: str, rounds: list[tuple[float, float]], alone: list[tuple[float, float]]
) -> Latency:
    p50, p99 = map(min, zip(*rounds, strict=True))
    return Latency(load, p50, p99, (p99 / min(p99 for _, p99 in alone) - 1) * 100)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        ask(int(sys.argv[2]), float(sys.argv[3]))
