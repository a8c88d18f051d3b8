"""The agent's settings: the shipped example is whole, and a typo is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.agent.config import AgentSettings, Mode, load
from lockgate.wire.settings import SettingsError

EXAMPLE = Path(__file__).parents[2] / "packaging" / "examples" / "agent.toml"


def test_the_example_loads() -> None:
    """Every key of the example is known."""
    settings = load(EXAMPLE, environment={})
    assert settings.zones[0].zone.signing
    assert settings.zones[0].mode is Mode.ENFORCE


def test_the_example_shows_the_defaults() -> None:
    """What the example does not mark as chosen is what the agent does without a file."""
    shown, default = load(EXAMPLE, environment={}), AgentSettings()
    assert (shown.scan, shown.quarantine) == (default.scan, default.quarantine)
    assert shown.open_deadline_seconds == default.open_deadline_seconds


def test_a_typo_is_named_with_file_line_and_nearest_key(tmp_path: Path) -> None:
    """A key that is not known is refused, and the nearest one is offered."""
    file = tmp_path / "agent.toml"
    file.write_text('run_dir = "/x"\n[scan]\nworker = 2\n')
    with pytest.raises(SettingsError, match=r'agent\.toml:3: "scan\.worker".*"workers"'):
        load(file, environment={})


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    """Flags come before the environment, and that before the file."""
    file = tmp_path / "agent.toml"
    file.write_text("pending_limit = 1\n[scan]\nworkers = 1\n")
    found = load(
        file,
        {"pending_limit": 3},
        {"LOCKGATE_PENDING_LIMIT": "2", "LOCKGATE_SCAN_WORKERS": "4"},
    )
    assert (found.pending_limit, found.scan.workers) == (3, 4)


@pytest.mark.parametrize(
    "line",
    [
        "pending_limit = 0",
        "open_deadline_seconds = -1.0",
        "[controller]\nspool_bytes = 0",
        "[controller]\nanswer_within_seconds = 0.0",
    ],
)
def test_an_impossible_value_is_refused(tmp_path: Path, line: str) -> None:
    """What cannot be right is refused when it is read."""
    file = tmp_path / "agent.toml"
    file.write_text(line)
    with pytest.raises(SettingsError):
        load(file, environment={})
