"""Thousands of agents with open streams: memory, and the storm after a killed controller."""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import controller_load

AGENTS = 10_000
_PROCESSES = 4
_SETTLED_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Streams:
    """What the controller took to hold the streams of ``agents``."""

    agents: int
    opened_seconds: float
    resident_mb: float
    storm_seconds: float


def run(folder: Path, agents: int = AGENTS) -> Streams:
    """Open all streams, let heartbeats come, kill the controller and see all come back."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    state, fleet = controller_load.made(folder, "streams", agents)
    port = _free_port()
    command = [sys.executable, *controller_load.controller_command(state)]
    command[command.index("--port") + 1] = str(port)
    playing = [sys.executable, str(Path(__file__).with_name("streaming.py"))]
    share = -(-agents // _PROCESSES)
    with ExitStack() as stack:
        controller = _start(command)
        stack.callback(lambda: controller.kill())  # noqa: PLW0108  (the one that runs then)
        start = time.perf_counter()
        lines = []
        for first in range(0, agents, share):
            where = [f"127.0.0.1:{port}", str(fleet), str(first), str(share)]
            client = stack.enter_context(_client([*playing, *where]))
            stack.callback(client.kill)
            assert client.stdout is not None
            lines.append(client.stdout)
        _all_ready(lines)
        opened = time.perf_counter() - start
        time.sleep(_SETTLED_SECONDS)
        resident = _resident_mb(controller.pid)
        controller.send_signal(signal.SIGKILL)
        controller.wait()
        controller = _start(command)
        start = time.perf_counter()
        _all_ready(lines)
        return Streams(agents, opened, resident, time.perf_counter() - start)


def _free_port() -> int:
    """A port that no connection of a client is given while the controller is down."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in range(lowest - 1, 1024, -1):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["taskset", "-c", controller_load.SERVING, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    if not process.stdout.readline().startswith("READY"):
        raise ChildProcessError("the controller did not start")
    return process


def _client(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["taskset", "-c", controller_load.ASKING, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _all_ready(lines: Sequence[IO[str]]) -> None:
    for each in lines:
        if each.readline() != "READY\n":
            raise ChildProcessError("a process of agents ended")


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s*(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0
