"""Each distribution works with what it declares, and without the others."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: folder -> the folders of this project that it declares as dependencies.
NEEDS = {
    "rules": (),
    "proto": ("rules",),
    "agent": ("rules", "proto"),
    "controller": ("rules", "proto"),
}

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path += sys.argv[1].split(":")
own = sys.argv[2]
import lockgate
seen = []
for found in pkgutil.walk_packages(lockgate.__path__, "lockgate."):
    if found.module_finder.path.startswith(own) and not found.name.endswith("__main__"):
        if ".migrations.env" not in found.name:
            importlib.import_module(found.name)
            seen.append(found.name)
print(len(seen))
"""


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python without the editable installs: only site-packages and what is named."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("folder", NEEDS)
def test_a_distribution_imports_without_the_others(folder: str) -> None:
    """Every module imports with only the declared parts of the project beside it."""
    site = sysconfig.get_paths()["purelib"]
    paths = [site, *(str(ROOT / part) for part in (folder, *NEEDS[folder]))]

    run = _run(IMPORT_ALL, ":".join(paths), str(ROOT / folder))

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 5


@pytest.mark.parametrize("folder", NEEDS)
def test_a_distribution_declares_the_parts_it_needs(folder: str) -> None:
    """The dependencies on other parts stand in its pyproject.toml."""
    names = {"rules": "lockgate-scan", "proto": "lockgate-proto"}
    text = (ROOT / folder / "pyproject.toml").read_text()

    assert [names[part] in text for part in NEEDS[folder]] == [True] * len(NEEDS[folder])


def test_the_agent_process_never_loads_the_search_libraries() -> None:
    """numpy, gmpy2 and yara are the worker's: hostile bytes meet them only there."""
    program = (
        "import sys; import lockgate.agent.run, lockgate.agent.guard.loop,"
        " lockgate.agent.uplink.client,"
        " lockgate.agent.verdicts.local, lockgate.agent.watch.watch, lockgate.agent.cli.app;"
        "print([m for m in ('numpy', 'gmpy2', 'yara') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == "[]"
