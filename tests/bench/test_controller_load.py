"""The servers of the load benchmark answer: a measurement that breaks is seen before its table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import controller_load


@pytest.mark.parametrize(
    "command",
    [
        controller_load.echoing_command,
        controller_load.unrecorded_command,
        controller_load.controller_command,
    ],
)
def test_every_server_answers_the_questions_of_the_benchmark(
    tmp_path: Path, command: Callable[[Path], list[str]]
) -> None:
    """Each of the servers that are compared gives answers to an admitted fleet."""
    state, agents = controller_load.made(tmp_path, "made", agents=2)
    with controller_load.serving(*command(state)) as address:
        assert controller_load.asked(address, agents, "clean", seconds=0.3)
