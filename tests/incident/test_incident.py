"""The demo, end to end: what it claims, what it leaves behind, and when it is interrupted."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).with_name("demo.py")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="guarding a filesystem needs root")


def _mounts() -> str:
    return "\n".join(
        line
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if "lockgate-demo" in line
    )


def _processes() -> list[str]:
    """Command lines that speak of a demo's folder."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
            if "lockgate-demo-" in line:
                lines.append(line)
    return lines


def _gone(seconds: float = 30.0) -> bool:
    """Whether everything of a demo is gone within ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not _mounts() and not _processes():
            return True
        time.sleep(0.2)
    return False


@pytest.fixture(scope="module")
def guarded() -> subprocess.CompletedProcess[str]:
    """One run of the demo as root."""
    return subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.root
@needs_root
def test_the_demo_stops_the_dump_at_the_border(guarded: subprocess.CompletedProcess[str]) -> None:
    """Every way out that was tried is refused, clean files pass, and the exit code is 0."""
    tried = re.findall(r"^attempt +(.*?): (refused|not tried|LEAKED)", guarded.stdout, re.MULTILINE)

    assert guarded.returncode == 0, guarded.stderr
    assert [way for way, _ in tried] == ["cp", "tar", "open of a hard link", "rsync"]
    assert {result for _, result in tried} == {"refused"}
    assert guarded.stdout.count("pass ") == guarded.stdout.count(": passed") == 2
    assert "stopped at the border" in guarded.stdout


@pytest.mark.root
@needs_root
def test_the_timeline_holds_a_line_for_every_try(
    guarded: subprocess.CompletedProcess[str],
) -> None:
    """Each refused attempt is in the controller's records, also one on a cached verdict."""
    enforced = re.findall(r"enforced +(\S+) with EPERM", guarded.stdout)

    assert enforced.count("quarantined") == 1
    assert enforced.count("denied") == 3
    assert "inclusion proof verified" in guarded.stdout
    assert '"class_uid": 2006' in guarded.stdout


@pytest.mark.root
@needs_root
def test_the_demo_leaves_nothing_behind(guarded: subprocess.CompletedProcess[str]) -> None:
    """No mount and no process of the demo is left."""
    assert guarded.returncode == 0
    assert _gone()


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_cleans_up(number: signal.Signals) -> None:
    """Interrupted in the middle, it unmounts and ends everything."""
    demo = subprocess.Popen([sys.executable, str(DEMO)], stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("agent "):
            break
    demo.send_signal(number)
    demo.stdout.read()

    assert demo.wait(timeout=60) == 130
    assert _gone()


@pytest.mark.root
@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_without_root_the_demo_says_that_it_cannot_block() -> None:
    """Without capabilities it scans, reports, records and alerts, and says what it cannot do."""
    run = subprocess.run(
        ["unshare", "--user", sys.executable, str(DEMO)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert "nothing is blocked" in run.stdout
    assert "found and alerted, NOT blocked" in run.stdout
