"""Real crashes into a real intake: by the socket and by the pipe, through faults, and back."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lockgate.agent.config import AgentSettings, ZoneSettings
from lockgate.agent.intake import process, switch
from lockgate.agent.intake.entry import Entry, State, Why
from lockgate.agent.intake.pattern import PIPE, SOCKET, Kernel, PatternError
from lockgate.agent.intake.server import PID_NAME
from lockgate.agent.intake.state import state

pytestmark = pytest.mark.root

Crash = Callable[..., int]


@pytest.fixture
def crash(crasher: Path, base: Path) -> Crash:
    """Crashes a program that fills ``size`` bytes; ``name`` makes it another one."""

    def run(size: int = 1000, name: str = "one") -> int:
        program = base / name
        if not program.exists():
            program.write_bytes(crasher.read_bytes())
            program.chmod(0o755)
        before = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        try:
            return subprocess.run(
                [program, str(size)], cwd=base, timeout=60, check=False
            ).returncode
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, before)

    return run


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def settled(settings: AgentSettings, count: int) -> list[Entry]:
    """The entries once there are so many and none is coming in."""
    store = process.store_of(settings)

    def all_there() -> bool:
        states = [entry.state for entry in store.all()]
        named = not any(store.incoming.iterdir())
        return len(states) >= count and State.RECEIVING not in states and named

    wait_for(all_there)
    return list(store.all())


def kill_intake(settings: AgentSettings) -> None:
    """As a crash of it would."""
    os.kill(int((settings.run_dir / PID_NAME).read_text().split()[0]), signal.SIGKILL)
    wait_for(lambda: not process.answers(settings.run_dir))


def records(settings: AgentSettings) -> str:
    """What the next agent will report."""
    return "".join(path.read_text() for path in (settings.state_dir / "records").glob("*.json"))


@pytest.mark.parametrize("way", [SOCKET, PIPE])
def test_a_crash_is_sealed_and_core_pattern_goes_back(
    settings: AgentSettings, core_pattern: Kernel, crash: Crash, base: Path, way: str
) -> None:
    """Whole, for root alone, with who crashed; nothing is left in the folder of the crash."""
    before = (core_pattern.pattern(), core_pattern.limit())
    setting = switch.enable(settings, core_pattern, socket=way == SOCKET)
    assert (setting.way, core_pattern.pattern()) == (way, setting.pattern)
    assert crash(2 << 20) == -signal.SIGSEGV
    (entry,) = settled(settings, 1)
    assert entry.whole
    assert entry.way == way
    assert (entry.crash.name, entry.crash.signal) == ("one", signal.SIGSEGV)
    assert entry.crash.opener.executable == str(base / "one")
    assert entry.crash.frames[0].startswith("one+0x")
    dump = process.store_of(settings).dumps / entry.entry_id
    assert (dump.stat().st_size, stat.S_IMODE(dump.stat().st_mode)) == (entry.size, 0o400)
    assert entry.size > 2 << 20
    assert not list(base.glob("core*"))
    switch.disable(settings, core_pattern)
    assert (core_pattern.pattern(), core_pattern.limit()) == before
    wait_for(lambda: not process.answers(settings.run_dir))
    assert "intake-enabled" in records(settings)
    assert "intake-disabled" in records(settings)


def test_a_loop_of_real_crashes_keeps_three_dumps(
    settings: AgentSettings, core_pattern: Kernel, crash: Crash
) -> None:
    """Address space layout makes no two crashes of one fault; another program counts anew."""
    switch.enable(settings, core_pattern, socket=True)
    for _ in range(5):
        crash()
    crash(name="other")
    whys = [entry.why for entry in settled(settings, 6)]
    assert whys == [Why.NOTHING] * 3 + [Why.CRASH_LOOP] * 2 + [Why.NOTHING]


def test_a_full_store_lets_the_process_go(
    settings: AgentSettings, core_pattern: Kernel, crash: Crash
) -> None:
    """No bytes are kept, and what is known of the crash is."""
    small = replace(settings, intake=replace(settings.intake, max_bytes=1 << 20))
    switch.enable(small, core_pattern, socket=True)
    assert crash(8 << 20) == -signal.SIGSEGV
    (entry,) = settled(small, 1)
    assert (entry.state, entry.why) == (State.NOT_KEPT, Why.QUOTA)
    store = process.store_of(small)
    assert not [*store.dumps.iterdir(), *store.incoming.iterdir()]


def test_an_intake_that_dies_mid_stream_leaves_no_dump(
    settings: AgentSettings, core_pattern: Kernel, crash: Crash, crasher: Path
) -> None:
    """The process is let go, the next intake removes the part and counts it, and takes in."""
    switch.enable(settings, core_pattern, socket=True)
    store = process.store_of(settings)
    with subprocess.Popen([crasher, str(800 << 20)], cwd=settings.run_dir) as victim:
        wait_for(lambda: any(store.incoming.iterdir()), 60)
        (part,) = store.incoming.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        kill_intake(settings)
        assert victim.wait(20) == -signal.SIGSEGV
    assert process.watch_over(settings)
    (lost,) = settled(settings, 1)
    assert (lost.state, lost.why) == (State.NOT_KEPT, Why.INTAKE_ENDED)
    assert not list(store.incoming.iterdir())
    crash()
    assert settled(settings, 2)[-1].whole


def test_a_pipe_takes_in_while_no_intake_serves(
    settings: AgentSettings, core_pattern: Kernel, crash: Crash
) -> None:
    """The program that the kernel starts seals the dump by itself."""
    switch.enable(settings, core_pattern, socket=False)
    kill_intake(settings)
    crash(1 << 20)
    (entry,) = settled(settings, 1)
    assert entry.whole
    assert entry.crash.signal == signal.SIGSEGV


def test_a_hanging_intake_is_ended_and_crashes_go_on(
    settings: AgentSettings, core_pattern: Kernel, crash: Crash
) -> None:
    """Whoever watches over it puts another in its place."""
    switch.enable(settings, core_pattern, socket=True)
    pid = int((settings.run_dir / PID_NAME).read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    assert process.watch_over(settings)
    crash()
    assert settled(settings, 1)[0].whole
    assert int((settings.run_dir / PID_NAME).read_text().split()[0]) != pid


def test_drift_is_told_within_ten_seconds_and_not_overwritten(
    settings: AgentSettings, core_pattern: Kernel
) -> None:
    """Once, in a record that is reported; enabling again repairs it and keeps the old pattern."""
    before = core_pattern.pattern()
    switch.enable(settings, core_pattern, socket=True)
    core_pattern.set("/tmp/drift.%p", core_pattern.limit())
    wait_for(lambda: "intake-drift" in records(settings), 10)
    assert core_pattern.pattern() == "/tmp/drift.%p"
    wait_for(lambda: state(settings.run_dir, settings.state_dir).drift == "/tmp/drift.%p")
    switch.enable(settings, core_pattern, socket=True)
    wait_for(lambda: state(settings.run_dir, settings.state_dir).drift is None)
    switch.disable(settings, core_pattern)
    assert core_pattern.pattern() == before


def test_another_collector_is_not_replaced_unasked(
    settings: AgentSettings, core_pattern: Kernel
) -> None:
    """It is named; told to, it is replaced and put back afterwards."""
    other = "|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h"
    core_pattern.set(other, core_pattern.limit())
    with pytest.raises(PatternError, match="systemd-coredump"):
        switch.enable(settings, core_pattern, socket=True)
    assert core_pattern.pattern() == other
    switch.enable(settings, core_pattern, socket=True, replace=True)
    assert core_pattern.pattern() != other
    switch.disable(settings, core_pattern)
    assert core_pattern.pattern() == other


def test_a_trial_that_fails_puts_everything_back(
    settings: AgentSettings, core_pattern: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An intake that no crash reaches is no intake."""
    before = (core_pattern.pattern(), core_pattern.limit())
    monkeypatch.setattr(switch, "_trial", lambda _run_dir: False)
    with pytest.raises(PatternError, match="as it was"):
        switch.enable(settings, core_pattern, socket=True)
    assert (core_pattern.pattern(), core_pattern.limit()) == before
    assert not state(settings.run_dir, settings.state_dir).enabled


def test_a_store_on_a_guarded_filesystem_is_refused(
    settings: AgentSettings, core_pattern: Kernel
) -> None:
    """The intake would wait for the guard."""
    inside = replace(settings, zones=(*settings.zones, ZoneSettings(settings.state_dir.parent)))
    before = core_pattern.pattern()
    with pytest.raises(process.IntakeError, match="on another one"):
        switch.enable(inside, core_pattern, socket=True)
    assert core_pattern.pattern() == before
