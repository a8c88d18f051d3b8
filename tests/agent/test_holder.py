"""No window: the agent killed, stopped, hung, replaced and disarmed, under load."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from lockgate.agent.guard import fanotify
from lockgate.agent.guard.disarm import disarm
from lockgate.agent.guard.group import GroupLink, HolderBusyError
from lockgate.agent.guard.processes import duplicate_group, holders_of

from .conftest import CLEAN, PRIVATE, GuardProcess, error_of, wait_until

pytestmark = pytest.mark.root


class Load:
    """Openers that never rest; ``leaks`` counts dirty opens that passed."""

    def __init__(self, path: Path, threads: int = 4) -> None:
        self._path = path
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self.leaks = 0
        self.opens = 0
        self.longest = 0.0

    def _run(self) -> None:
        while not self._stop.is_set():
            begin = time.monotonic()
            leaked = error_of(self._path) == 0
            took = time.monotonic() - begin
            with self._counting:  # or one thread's sum would be written over another's
                self.leaks += leaked
                self.opens += 1
                self.longest = max(self.longest, took)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "an opener hangs"


def _dirty(guard: GuardProcess) -> Path:
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    return path


def test_killing_the_agent_under_load_leaks_and_hangs_nothing(guard: GuardProcess) -> None:
    """Openers get errors while the agent dies, is away, and comes back."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    with Load(path) as load:
        for _ in range(3):
            time.sleep(0.3)
            guard.kill()
            time.sleep(0.6)
            guard.start(grace="0.3")
        time.sleep(0.3)

    assert load.leaks == 0
    assert load.opens > 100
    assert load.longest < 5


def test_the_detector_sees_the_leak_of_a_guard_without_holder(guard: GuardProcess) -> None:
    """With its holder gone, killing the agent lets opens pass, and the load counts them."""
    path = _dirty(guard)
    guard.start()
    holder = guard.holder()
    assert holder is not None
    with Load(path) as load:
        time.sleep(0.2)
        guard.signal(signal.SIGSTOP)
        guard.end_holders()
        guard.kill()
        time.sleep(0.2)

    assert load.leaks > 0


@pytest.mark.parametrize("order", ["holder first", "agent first"])
def test_holder_and_agent_killed_at_once_leak_nothing(guard: GuardProcess, order: str) -> None:
    """The standby takes over within the same moment, and the next agent gets the group from it."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    with Load(path) as load:
        for _ in range(3):
            wait_until(guard.standby)
            pids = [wait_until(guard.holder), guard.pid]
            for pid in pids if order == "holder first" else reversed(pids):
                os.kill(pid, signal.SIGKILL)
            guard.wait()
            time.sleep(0.6)
            guard.start(grace="0.3")

    assert load.leaks == 0
    assert load.opens > 100


def test_a_stopped_holder_is_replaced_while_the_agent_goes_on(guard: GuardProcess) -> None:
    """The standby ends a silent holder and takes its place; clean files stay readable."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(silence="1.5")
    stopped = wait_until(guard.holder)
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: guard.holder() not in (None, stopped), 20)

    assert error_of(path) == 0
    guard.signal(signal.SIGTERM)
    guard.wait()
    assert guard.snapshot()["counts"] == {"passed": 0, "allowed": 1}


def test_holder_and_agent_stopped_at_once_hold_no_opener_for_long(guard: GuardProcess) -> None:
    """The standby ends the holder, then the agent, and the waiting open gets EAGAIN."""
    path = _dirty(guard)
    guard.start(silence="1.5", grace="0.3")
    os.kill(wait_until(guard.holder), signal.SIGSTOP)
    guard.signal(signal.SIGSTOP)
    begin = time.monotonic()

    assert error_of(path) == errno.EAGAIN
    assert time.monotonic() - begin < 15


def test_an_agent_replaces_a_holder_and_standby_that_are_both_stopped(guard: GuardProcess) -> None:
    """It says that the holder does not answer, and starts another with the same group."""
    path = _dirty(guard)
    guard.start(silence="1.5", grace="0.3")
    old = holders_of(guard.run_dir)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not holders_of(guard.run_dir) & old, 20)
    wait_until(lambda: guard.standby() is not None)
    guard.kill()

    assert error_of(path) == errno.EAGAIN


def test_an_agent_starts_beside_a_holder_that_is_stopped(guard: GuardProcess) -> None:
    """The group is taken out of the stopped process, so that there is no moment without it."""
    path = _dirty(guard)
    guard.start(grace="30")
    old = holders_of(guard.run_dir)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    guard.kill()
    with Load(path) as load:
        guard.start(grace="0.3")
        time.sleep(0.3)

    assert load.leaks == 0
    assert load.opens > 10
    assert not holders_of(guard.run_dir) & old


def test_an_agent_that_beats_and_does_not_answer_is_ended(guard: GuardProcess) -> None:
    """Its beats tell that an open waits beyond its deadline; the holder answers it instead."""
    path = _dirty(guard)
    guard.start(grace="0.3")
    guard.kill()
    program = (
        "import sys,time\n"
        "from pathlib import Path\n"
        "from lockgate.agent.guard.group import GroupLink, LinkSettings\n"
        "link = GroupLink.open(Path(sys.argv[1]), LinkSettings(deadline_s=0.5))\n"
        "begin = time.monotonic()\n"
        "while True: link.beat(time.monotonic() - begin); time.sleep(0.2)\n"
    )
    deaf = subprocess.Popen(["timeout", "60", sys.executable, "-c", program, guard.run_dir])
    assert error_of(path) == errno.EAGAIN
    assert deaf.wait(20) in {-signal.SIGKILL, 128 + signal.SIGKILL}


def test_the_sweep_reaches_numbers_above_a_limit_that_was_lowered(guard: GuardProcess) -> None:
    """An event that was read under a high limit is refused although the limit fell later."""
    path = guard.zone / "file"
    path.write_bytes(b"NEVER")
    guard.start(grace="20", spare="6000")
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    wait_until(lambda: _highest_descriptor(guard.pid) > 6000)
    resource.prlimit(guard.pid, resource.RLIMIT_NOFILE, (512, 8192))
    time.sleep(1.5)  # a beat under the low limit
    guard.kill()
    opener.join(10)

    assert results == [errno.EAGAIN]


def test_opens_wait_for_a_new_agent_within_the_grace(guard: GuardProcess) -> None:
    """A clean open that comes while no agent runs is answered by the next agent."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(grace="8")
    guard.kill()
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    guard.start(grace="8")
    opener.join(10)

    assert results == [0]


def test_without_a_new_agent_the_holder_refuses(guard: GuardProcess) -> None:
    """After the grace every open fails with EAGAIN, at once."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(grace="3")
    guard.kill()
    first = error_of(path)
    begin = time.monotonic()
    second = error_of(path)

    assert (first, second) == (errno.EAGAIN, errno.EAGAIN)
    assert time.monotonic() - begin < 2.5  # less than another grace


def test_a_stopped_agent_is_ended_and_its_opens_are_refused(guard: GuardProcess) -> None:
    """SIGSTOP: the holder kills the silent agent; the waiting opener gets EAGAIN, not the file."""
    path = _dirty(guard)
    guard.start(silence="1.5", grace="0.2")
    guard.signal(signal.SIGSTOP)
    begin = time.monotonic()
    result = error_of(path)

    assert result == errno.EAGAIN
    assert time.monotonic() - begin < 4
    guard.wait()


def test_events_that_a_dead_agent_had_read_are_answered(guard: GuardProcess) -> None:
    """An open whose scan was running when the agent died gets EAGAIN from the sweep."""
    path = guard.zone / "file"
    path.write_bytes(b"NEVER")
    guard.start(grace="20")
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    wait_until(lambda: guard.has_read_open_of(path))
    guard.kill()
    opener.join(10)

    assert results == [errno.EAGAIN]


def test_only_one_agent_at_a_time(guard: GuardProcess) -> None:
    """A second agent is told which process holds opens already."""
    guard.start()

    with pytest.raises(HolderBusyError, match=str(guard.pid)):
        GroupLink.open(guard.run_dir)


def test_a_dead_holder_is_replaced(guard: GuardProcess) -> None:
    """The agent starts a new holder, and killing the agent then still leaks nothing."""
    path = _dirty(guard)
    guard.start(grace="0.2")
    old = holders_of(guard.run_dir)
    guard.end_holders()
    wait_until(lambda: guard.holder() not in (None, *old) and guard.standby())
    time.sleep(0.5)
    with Load(path) as load:
        guard.kill()
        time.sleep(0.5)

    assert load.leaks == 0


def test_a_polite_signal_does_not_end_the_holder(guard: GuardProcess) -> None:
    """SIGTERM, SIGINT and SIGHUP are ignored."""
    guard.start()
    holder = guard.holder()
    assert holder is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(holder, number)
    time.sleep(0.2)

    assert guard.holder() == holder


def test_an_unmount_is_refused_until_the_guard_is_off(guard: GuardProcess) -> None:
    """The holder pins the filesystem, also without an agent; disarming lets it go at once."""
    guard.start()
    guard.kill()
    busy = subprocess.run(["umount", guard.zone], capture_output=True, text=True, check=False)
    disarm(guard.run_dir, guard.state_dir)

    assert "busy" in busy.stderr
    subprocess.run(["umount", guard.zone], check=True)
    wait_until(lambda: guard.holder() is None)


def _highest_descriptor(pid: int) -> int:
    return max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())


def _remount(guard: GuardProcess) -> None:
    source = subprocess.run(
        ["findmnt", "-no", "SOURCE", guard.zone], capture_output=True, text=True, check=True
    ).stdout.strip()
    with open(source, "rb"):  # else the loop device may go with the unmount
        subprocess.run(["umount", "-l", guard.zone], check=True)
        subprocess.run(["mount", source, guard.zone], check=True)


def test_a_lazy_unmount_and_a_new_mount_are_no_way_around_a_dead_agent(
    guard: GuardProcess,
) -> None:
    """The pins keep the superblock with its mark, so the new mount is guarded as well."""
    path = _dirty(guard)
    guard.start(grace="0.2")
    guard.kill()
    _remount(guard)

    assert error_of(path) == errno.EAGAIN


def test_the_detector_sees_the_leak_of_a_holder_without_pins(guard: GuardProcess) -> None:
    """Without pins the same remount makes a superblock that nobody marked."""
    path = _dirty(guard)
    guard.start(grace="20", pins="no")
    guard.kill()
    _remount(guard)

    assert error_of(path) == 0


def test_what_is_mounted_over_a_zone_is_guarded_too(guard: GuardProcess) -> None:
    """A new filesystem at the zone's path, which a lazy unmount bared, holds dirty files, too."""
    guard.start()
    subprocess.run(["umount", "-l", guard.zone], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "lockgate-b", guard.zone], check=True)
    path = _dirty(guard)

    wait_until(lambda: error_of(path) == errno.EPERM)


def test_a_mark_that_is_taken_away_is_put_back(guard: GuardProcess) -> None:
    """The agent notices within a beat, marks again, and says meanwhile that it is blind."""
    path = _dirty(guard)
    guard.start()

    def is_seen_unguarded() -> bool:
        _take_marks(guard)  # the next beat may come before the open
        return error_of(path) == 0

    wait_until(is_seen_unguarded)
    wait_until(lambda: error_of(path) == errno.EPERM)
    guard.signal(signal.SIGTERM)
    guard.wait()

    assert "blind" in str(guard.snapshot()["states"])


def test_a_mark_that_is_taken_away_without_an_agent_is_put_back(guard: GuardProcess) -> None:
    """Then the holder does it, with its pins."""
    path = _dirty(guard)
    guard.start(grace="0.2")
    guard.kill()
    _take_marks(guard)

    wait_until(lambda: error_of(path) == errno.EAGAIN)


def _take_marks(guard: GuardProcess) -> None:
    group = duplicate_group(holders_of(guard.run_dir))
    assert group is not None
    fanotify.flush(group)
    os.close(group)


def test_disarm_ends_a_running_guard(guard: GuardProcess) -> None:
    """Afterwards files open freely, agent and holder are gone, and a record says who did it."""
    path = _dirty(guard)
    guard.start()
    record = disarm(guard.run_dir, guard.state_dir)
    guard.wait()
    wait_until(lambda: guard.holder() is None)
    (written,) = (guard.state_dir / "records").glob("*.json")

    assert (record.armed, record.killed_agent, error_of(path)) == (True, 0, 0)
    assert json.loads(written.read_text())["uid"] == 0


def test_disarm_ends_a_stopped_agent_within_a_second(guard: GuardProcess) -> None:
    """A SIGSTOPped agent is killed, waiting opens get an error, and later opens pass."""
    path = _dirty(guard)
    guard.start()
    guard.signal(signal.SIGSTOP)
    results: list[int] = []
    opener = threading.Thread(target=lambda: results.append(error_of(path)))
    opener.start()
    time.sleep(0.2)
    begin = time.monotonic()
    record = disarm(guard.run_dir, guard.state_dir)
    took = time.monotonic() - begin
    opener.join(5)
    guard.wait()

    assert took < 1.0
    assert record.killed_agent == guard.pid
    assert error_of(path) == 0


def test_disarm_finds_an_agent_without_holder(guard: GuardProcess) -> None:
    """With the holder dead and the agent stopped, the agent is still found and ended."""
    guard.start()
    guard.signal(signal.SIGSTOP)
    guard.end_holders()

    assert disarm(guard.run_dir, guard.state_dir).killed_agent == guard.pid


def test_disarm_ends_holders_whose_folder_is_gone(guard: GuardProcess) -> None:
    """The run folder was removed while no agent ran: opens pass all the same afterwards."""
    path = _dirty(guard)
    guard.start(grace="0.2")
    guard.kill()
    shutil.rmtree(guard.run_dir)
    refused = error_of(path)
    record = disarm(guard.run_dir, guard.state_dir)

    assert (refused, record.armed) == (errno.EAGAIN, True)
    assert error_of(path) == 0
    assert not holders_of(guard.run_dir)


def test_disarm_is_heeded_by_an_agent_whose_folder_is_gone(guard: GuardProcess) -> None:
    """Nothing names the agent any more: it ends by itself, and does not put the guard back."""
    path = _dirty(guard)
    guard.start()
    shutil.rmtree(guard.run_dir)
    refused = error_of(path)
    record = disarm(guard.run_dir, guard.state_dir)
    guard.wait()

    assert (refused != 0, record.armed) == (True, True)
    assert error_of(path) == 0
    assert not holders_of(guard.run_dir)


@pytest.mark.parametrize("also_agent", [True, False], ids=["agent too", "holder only"])
def test_disarm_ends_stopped_holders_within_a_second(
    guard: GuardProcess, *, also_agent: bool
) -> None:
    """Waiting opens get an error before the group closes, and a record says who did it."""
    path = guard.zone / "file"
    path.write_bytes(b"NEVER")
    guard.start()
    results: list[int] = []
    openers = [threading.Thread(target=lambda: results.append(error_of(path))) for _ in range(3)]
    openers[0].start()
    wait_until(lambda: guard.has_read_open_of(path))
    stopped = holders_of(guard.run_dir) | ({guard.pid} if also_agent else set())
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    for opener in openers[1:]:
        opener.start()
    time.sleep(0.2)
    begin = time.monotonic()
    record = disarm(guard.run_dir, guard.state_dir)
    took = time.monotonic() - begin
    for opener in openers:
        opener.join(5)
    guard.wait()

    assert took < 1.0
    assert results == [errno.EAGAIN] * 3
    assert (record.armed, record.killed_agent) == (True, guard.pid)
    assert not holders_of(guard.run_dir)
    assert error_of(path) == 0
    assert list((guard.state_dir / "records").glob("*.json"))


def test_disarm_says_when_nothing_is_armed(tmp_path: Path) -> None:
    """Without holder and agent nothing is done and nothing is recorded."""
    record = disarm(tmp_path / "run", tmp_path / "state")

    assert not record.armed
    assert not (tmp_path / "state").exists()


def test_a_reader_of_the_last_agent_keeps_writers_out(guard: GuardProcess) -> None:
    """A new agent knows who was let in to read before it, and refuses a writer beside them."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start()
    with path.open("rb"):
        guard.kill()
        guard.start(writer_wait="0.2")
        while_open = error_of(path, os.O_WRONLY)

    assert (while_open, error_of(path, os.O_WRONLY)) == (errno.EBUSY, 0)
