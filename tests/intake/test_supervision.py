"""An intake that is busy, or that ends, is not taken for one that hangs."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lockgate.agent.intake import pattern, process, receive, server, wire
from lockgate.agent.intake.entry import Crash, State
from lockgate.agent.intake.pattern import Kernel, Setting
from lockgate.agent.intake.store import IntakeQuota, Store
from lockgate.wire.transfer import Opener

SEALING_S = 8.0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every try to start another intake, which none is."""
    found: list[object] = []
    monkeypatch.setattr(process, "start", found.append)
    return found


@pytest.fixture
def settings(base: Path) -> SimpleNamespace:
    """Where the intake of this test lives."""
    (base / "state").mkdir()
    return SimpleNamespace(state_dir=base / "state", run_dir=base / "run")


@pytest.fixture
def intake(base: Path, settings: SimpleNamespace) -> Iterator[int]:
    """The pid of a real intake that seals slowly, with a kernel made of files."""
    kernel = Kernel(base / "pattern", base / "limit", base / "boot")
    for path, text in (
        (kernel.pattern_file, "@@x"),
        (kernel.limit_file, "0"),
        (kernel.boot_file, "b"),
    ):
        path.write_text(text + "\n")
    pattern.keep(settings.state_dir, Setting("socket", "@@x", "0", "core", "0", "b", "t"))
    pid = os.fork()
    if pid == 0:
        _serve(base, kernel)
    end = time.monotonic() + 20
    while not (process.answers(settings.run_dir) and (base / "run" / "intake.json").exists()):
        assert time.monotonic() < end
        time.sleep(0.02)
    try:
        yield pid
    finally:
        process.end_hanging(settings.run_dir)
        os.waitpid(pid, 0)


def _serve(base: Path, kernel: Kernel) -> None:
    """Never returns: what follows in this stack belongs to the test's process."""
    real = Store.seal

    def slowly(self: Store, *arguments: object) -> object:
        time.sleep(SEALING_S)
        return real(self, *arguments)  # type: ignore[arg-type]

    try:
        Store.seal = slowly  # type: ignore[method-assign,assignment]
        quota = IntakeQuota()
        place = server.IntakePlace(
            base / "run", base / "state", base / "store", quota, 5, kernel=kernel
        )
        server.serve(place)
    finally:
        sys.stderr.flush()
        os._exit(0)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _hand_over(run_dir: Path, content: bytes) -> None:
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(5)
        connection.connect(str(run_dir / wire.HANDOVER_NAME))
        message = {"verb": "dump", "pid": os.getpid(), "thread": os.getpid(), "signal": 11}
        socket.send_fds(connection, [wire.encode(message)], [reading])
        assert connection.recv(64)
    os.close(reading)
    os.write(writing, content)
    os.close(writing)


def test_clients_that_say_nothing_do_not_end_it(
    intake: int, settings: SimpleNamespace, started: list[object]
) -> None:
    """They keep it from answering for seconds; it still says how it is."""
    silent = []
    for _ in range(4):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(str(settings.run_dir / wire.HANDOVER_NAME))
        silent.append(connection)
    assert process.watch_over(settings)  # type: ignore[arg-type]
    for connection in silent:
        connection.close()

    assert _is_alive(intake)
    assert started == []


def test_a_clock_that_jumps_does_not_end_it(
    intake: int,
    settings: SimpleNamespace,
    started: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it wrote last looks a minute old; it answers."""
    now = time.time
    monkeypatch.setattr(process, "time", SimpleNamespace(time=lambda: now() + 60))

    assert process.watch_over(settings)  # type: ignore[arg-type]
    assert _is_alive(intake)
    assert started == []


def test_one_that_ends_keeps_what_still_comes(
    base: Path, intake: int, settings: SimpleNamespace, started: list[object]
) -> None:
    """It is let to seal its dumps, however often somebody looks after it."""
    _hand_over(settings.run_dir, b"\x7fELF and no more")
    time.sleep(0.5)
    os.kill(intake, 15)
    end = time.monotonic() + 3  # long before it has sealed
    while time.monotonic() < end:
        assert process.watch_over(settings)  # type: ignore[arg-type]
        time.sleep(0.3)
    while _is_alive(intake):
        time.sleep(0.05)

    assert started == []
    assert len(list((base / "store" / "dumps").iterdir())) == 1
    assert Store(base / "store").recover() == 0


def test_an_intake_that_starts_leaves_a_dump_that_is_still_coming(base: Path) -> None:
    """The pipe's program took it in by itself, while there was no intake."""
    store = Store(base / "store", IntakeQuota(1 << 30, 10))
    entry = receive._new_entry(Crash(Opener(1)), "pipe")
    incoming = store.begin(entry)
    incoming.append(memoryview(b"first half "))
    lost = Store(base / "store").recover()
    incoming.append(memoryview(b"second half"))
    sealed = store.seal(entry, incoming)

    assert lost == 0
    assert sealed.state is State.SEALED
    assert len(list((base / "store" / "dumps").iterdir())) == 1
