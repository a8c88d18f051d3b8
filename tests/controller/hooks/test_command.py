"""Commands of hooks: real processes."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockgate.controller.hooks import command
from lockgate.controller.hooks.command import Outcome


@pytest.fixture
def program(tmp_path):
    """Makes a program of shell lines; ``OUT`` in them is a folder."""

    def make(lines: str) -> list[str]:
        path = tmp_path / "program"
        path.write_text("#!/bin/sh\n" + lines.replace("OUT", str(tmp_path)))
        path.chmod(0o700)
        return [str(path)]

    return make


def run(argv, payload=b"{}", limit=20.0):
    """One run of a command."""
    return asyncio.run(command.run(argv, payload, limit))


def wait_until(check) -> None:
    """Wait until ``check`` is true."""
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def is_gone(file: Path) -> bool:
    """Whether the process whose number a file holds is dead, reaped or not."""
    try:
        return "State:\tZ" in Path(f"/proc/{int(file.read_text())}/status").read_text()
    except OSError:
        return True


def test_a_command_gets_its_input_and_nothing_else(program, tmp_path, monkeypatch):
    """JSON on standard input, a fixed environment, / as its folder, no terminal."""
    monkeypatch.setenv("SECRET", "of the controller")
    payload = json.dumps({"key": "x" * 200_000}).encode()
    lines = "cat >OUT/in; env >OUT/env; pwd >OUT/pwd; ps -o pid=,pgid=,sid= -p $$ >OUT/ids"
    assert run(program(lines), payload) == Outcome(0)
    assert (tmp_path / "in").read_bytes() == payload
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert len(set((tmp_path / "ids").read_text().split())) == 1


def test_arguments_go_as_they_are(program, tmp_path):
    """No shell looks at them."""
    words = ["$(touch x)", "; rm -rf /tmp/none", "*", "a b"]
    assert run([*program('printf "%s\\n" "$@" >OUT/words'), *words]).succeeded
    assert (tmp_path / "words").read_text().splitlines() == words


@pytest.mark.parametrize("code", [1, 7, 255])
def test_another_exit_code_is_a_failure_to_be_repeated(program, code):
    """The code is kept."""
    assert run(program(f"exit {code}")) == Outcome(code, f"exit code {code}")


def test_a_command_that_is_not_there_is_a_failure_to_be_repeated(tmp_path):
    """With the reason."""
    outcome = run([str(tmp_path / "none")])
    assert (outcome.status, outcome.final) == (None, False)
    assert "No such file" in outcome.error


def test_a_command_that_does_not_end_is_killed_with_all_its_children(program, tmp_path):
    """Also when it does not listen to signals and its children hold the output."""
    lines = "trap '' TERM INT; sleep 1000 & echo $! >OUT/child; while :; do sleep 0.1; done"
    started = time.monotonic()
    outcome = run(program(lines), limit=0.7)
    assert time.monotonic() - started < 60
    assert (outcome.status, outcome.error) == (None, "killed after 0.7 s")
    wait_until(lambda: is_gone(tmp_path / "child"))


def test_what_a_command_leaves_running_is_killed(program, tmp_path):
    """The command succeeded; its group is gone all the same."""
    assert run(program("sleep 1000 & echo $! >OUT/child")).succeeded
    wait_until(lambda: is_gone(tmp_path / "child"))


def test_a_controller_that_stops_kills_the_command(program, tmp_path):
    """The task is cancelled, and the process does not outlive it."""

    async def cancelled() -> None:
        task = asyncio.create_task(
            command.run(program("echo $$ >OUT/pid; touch OUT/ready; sleep 1000"), b"", 900)
        )
        await asyncio.to_thread(wait_until, (tmp_path / "ready").exists)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    wait_until(lambda: is_gone(tmp_path / "pid"))


def test_much_output_holds_nobody_up_and_is_not_kept(program):
    """It goes nowhere."""
    assert run(program("head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2")).succeeded


LEFT = """
import asyncio, os, sys
from lockgate.controller.hooks import command

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def run(line, limit=20.0):
    asyncio.run(command.run(["/bin/sh", "-c", line], b"{}", limit))

run("exit 0")
before = descriptors()
for line, limit in (("exit 0", 20.0), ("exit 1", 20.0), ("sleep 100", 0.1)):
    run(line, limit)
sys.exit(descriptors() - before)
"""


def test_no_descriptor_is_left():
    """After success, failure and a kill; in a process whose descriptors no other test changes."""
    subprocess.run([sys.executable, "-c", LEFT], timeout=120, check=True)
