"""How the intake is, from its own small file."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lockgate.agent.intake.pattern import SETTING_NAME
from lockgate.agent.intake.state import STATE_NAME, IntakeState, state, write_state


def test_a_host_without_intake_lacks_nothing(tmp_path: Path) -> None:
    """No intake is wanted, none is missed."""
    assert state(tmp_path, tmp_path) == IntakeState()
    assert not list(state(tmp_path, tmp_path).weaknesses())


def test_an_intake_that_is_wanted_and_away_is_a_weakness(tmp_path: Path) -> None:
    """Crashes would be lost."""
    (tmp_path / SETTING_NAME).write_text("{}")
    assert any("does not serve" in reason for reason in state(tmp_path, tmp_path).weaknesses())


def test_what_it_last_wrote_counts_only_while_it_writes(tmp_path: Path) -> None:
    """An intake that hangs does not serve."""
    (tmp_path / SETTING_NAME).write_text("{}")
    write_state(tmp_path, IntakeState(pid=7, taken_in=3, not_kept={"quota": 1}))
    found = state(tmp_path, tmp_path)
    assert (found.enabled, found.pid, found.taken_in) == (True, 7, 3)
    assert not list(found.weaknesses())
    old = time.time() - 60
    os.utime(tmp_path / STATE_NAME, (old, old))
    assert state(tmp_path, tmp_path).pid == 0


def test_drift_is_told_escaped(tmp_path: Path) -> None:
    """A pattern cannot forge a second line."""
    write_state(tmp_path, IntakeState(pid=7, drift="core\nall is well"))
    (reason,) = state(tmp_path, tmp_path).weaknesses()
    assert "core" in reason
    assert "\n" not in reason


def test_a_damaged_file_is_no_state(tmp_path: Path) -> None:
    """Whatever lies there, the question is answered."""
    (tmp_path / STATE_NAME).write_text('{"pid": 7, "unknown": 1}')
    assert state(tmp_path, tmp_path).pid == 0
