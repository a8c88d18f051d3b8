"""Folders with short names, an intake's settings, and a program that crashes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from core_patterns import borrowed_core_pattern

from lockgate.agent.config import AgentSettings, IntakeSettings, ZoneSettings
from lockgate.agent.intake import process
from lockgate.agent.intake.pattern import Kernel
from lockgate.agent.intake.store import Store


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder whose name leaves room in a core_pattern of 127 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="lockgate-f-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(base: Path) -> Store:
    """An empty intake store."""
    return Store(base / "store")


@pytest.fixture
def settings(base: Path) -> Iterator[AgentSettings]:
    """Settings of an agent; an intake that was started is ended.

    Nothing is guarded here: the zone only has to be another filesystem than the store's.
    """
    made = AgentSettings(
        zones=(ZoneSettings(Path("/proc"), "zone"),),
        state_dir=base / "s",
        run_dir=base / "r",
        intake=IntakeSettings(crashes_per_hour=3),
    )
    try:
        yield made
    finally:
        process.end_hanging(made.run_dir)


@pytest.fixture
def core_pattern() -> Iterator[Kernel]:
    """The kernel's real settings, put back whatever the test does."""
    with borrowed_core_pattern() as kernel:
        yield kernel


_CRASHER = """
#include <stdlib.h>
#include <string.h>
int main(int count, char **words) {
    size_t size = (size_t)atol(words[1]);
    char *memory = malloc(size + 1);
    unsigned state = 1;
    for (size_t i = 0; i < size; i++) memory[i] = (char)(state = state * 1103515245u + 12345u);
    if (count > 2) memset(memory, 0, size);
    int *nowhere = 0;
    *nowhere = memory[0];
    return 0;
}
"""


@pytest.fixture(scope="session")
def crasher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C program that fills as many bytes as its argument says, then crashes."""
    folder = tmp_path_factory.mktemp("crasher")
    source = folder / "crasher.c"
    source.write_text(_CRASHER)
    subprocess.run(["gcc", "-O1", "-w", "-o", folder / "crasher", source], check=True)
    return folder / "crasher"
