"""The units for systemd: they load, they harden, and they fit the programs they start."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lockgate.agent import privileges
from lockgate.agent.guard import processes

UNITS = Path(__file__).parents[2] / "packaging/systemd"
AGENTS = ["lockgate-agent", "lockgate-holder", "lockgate-intake"]
NAMES = [*AGENTS, "lockgate-controller"]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with programs that exist on this machine."""
    lockgate = shutil.which("lockgate", path=str(Path(sys.executable).parent))
    assert lockgate is not None
    for unit in UNITS.glob("*.service"):
        text = unit.read_text().replace("/usr/lib/lockgate/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("/usr/bin/lockgate", lockgate))
    return tmp_path


def _values(name: str, key: str) -> list[str]:
    text = (UNITS / f"{name}.service").read_text()
    return " ".join(re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)).split()


def test_systemd_takes_every_line(units: Path) -> None:
    """No unknown key, no missing program, no bad value."""
    files = sorted(units.glob("*.service"))
    done = subprocess.run(
        ["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False
    )

    assert len(files) == len(NAMES)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("lockgate-agent", 5.0),
        ("lockgate-holder", 2.0),
        ("lockgate-intake", 3.0),
        ("lockgate-controller", 1.5),
    ],
)
def test_what_a_unit_exposes_is_bounded(units: Path, name: str, most: float) -> None:
    """By the count of systemd-analyze; the agent must start workers and move files."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", units / f"{name}.service"],
        capture_output=True,
        text=True,
        check=True,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)

    assert level is not None
    assert float(level[1]) <= most


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("lockgate-agent", privileges.AGENT),
        ("lockgate-holder", privileges.HOLDER),
        ("lockgate-intake", privileges.INTAKE),
    ],
)
def test_a_unit_leaves_the_capabilities_that_its_program_keeps(
    name: str, kept: dict[privileges.Capability, str]
) -> None:
    """Neither more nor less, but for the right to drop the others."""
    wanted = {f"CAP_{capability.name}" for capability in (*kept, privileges.Capability.SETPCAP)}

    assert set(_values(name, "CapabilityBoundingSet")) == wanted


def test_the_holder_cannot_be_stopped_by_accident() -> None:
    """It refuses stops, is started again after a fault, and has its group kept."""
    assert processes.HOLDER_MODULE in _values("lockgate-holder", "ExecStart")
    assert find_spec(processes.HOLDER_MODULE) is not None
    assert _values("lockgate-holder", "RefuseManualStop") == ["yes"]
    assert _values("lockgate-holder", "Restart") == ["on-failure"]
    assert int(_values("lockgate-holder", "FileDescriptorStoreMax")[0]) >= 16
    assert _values("lockgate-holder", "OOMScoreAdjust") == ["-1000"]


@pytest.mark.parametrize("name", AGENTS)
def test_all_keep_the_run_folder(name: str) -> None:
    """The sockets and the last agent's name are needed when only one of them ended."""
    assert _values(name, "RuntimeDirectory") == ["lockgate"]
    assert _values(name, "RuntimeDirectoryPreserve") == ["yes"]
