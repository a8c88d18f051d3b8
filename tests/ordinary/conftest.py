"""A real agent on a filesystem of its own, for the programs of an ordinary day."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "incident"))

from parts import LOCKGATE, Part, run, start

LIFETIME_S = 900  # of all tests of one file


@dataclass(slots=True)
class Host:
    """A zone under guard; ``outside`` is a folder beside it."""

    zone: Path
    outside: Path
    part: Part | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """Where the agent keeps things, as options."""
        base = self.outside.parent
        return ("--state-dir", str(base / "state"), "--run-dir", str(base / "run"))

    @property
    def run_dir(self) -> tuple[str, ...]:
        """Where the agent's socket is, as options."""
        return self.folders[2:]

    def start(self) -> None:
        """Start an agent and wait until it holds opens."""
        words = ["agent", "guard", str(self.zone), *self.folders]
        self.part = start(words, self.outside.parent / "agent.log", 60)

    def kill(self) -> None:
        """End the agent as a crash would; its holder stays."""
        assert self.part is not None
        self.part.stop(signal.SIGKILL)

    def sh(self, script: str, seconds: float = 100) -> str:
        """Run a shell script in the zone that must succeed; what it said."""
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=self.zone,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def release(self, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
        """``lockgate agent release``."""
        command = [LOCKGATE, "agent", "release", *map(str, words), *self.run_dir]
        return subprocess.run(command, capture_output=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """An agent for the tests of one file, each in a folder of its own."""
    base = Path(tempfile.mkdtemp(prefix="lockgate-d-"))
    base.chmod(0o755)
    image, zone, outside = base / "image", base / "zone", base / "outside"
    with image.open("wb") as target:
        target.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    zone.mkdir()
    outside.mkdir()
    subprocess.run(["mount", "-o", "loop", image, zone], check=True)
    limit = subprocess.Popen(
        ["sh", "-c", f"sleep {LIFETIME_S}; umount -l {zone}"], start_new_session=True
    )
    made = Host(zone, outside)
    try:
        made.start()
        yield made
    finally:
        run("agent", "disarm", *made.folders, check=False)
        if made.part is not None:
            made.part.stop(signal.SIGKILL)
        os.killpg(limit.pid, signal.SIGKILL)
        limit.wait()
        subprocess.run(["umount", "-l", zone], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", base], check=False)


@pytest.fixture
def place(host: Host, request: pytest.FixtureRequest) -> Path:
    """A folder in the zone for one test."""
    folder = host.zone / request.node.name.partition("[")[0]
    folder.mkdir(exist_ok=True)
    return folder
