"""The controller's settings."""

from pathlib import Path

import pytest

from lockgate.controller import config
from lockgate.controller.config import ControllerSettings
from lockgate.wire.settings import SettingsError

EXAMPLE = Path(__file__).parents[2] / "packaging" / "examples" / "controller.toml"


def test_the_shipped_example_shows_the_defaults():
    """Every key of the example is known, and its value is the default."""
    assert config.load(EXAMPLE, environment={}) == ControllerSettings()


def test_a_state_folder_brings_its_own_settings(tmp_path):
    """--dir reads the controller.toml in that folder; flags beat it."""
    (tmp_path / "controller.toml").write_text('port = 1\nlisten = "::1"\n')
    loaded = config.load(flags={"state_dir": tmp_path, "port": 0}, environment={})
    assert (loaded.port, loaded.listen, loaded.state_dir) == (0, "::1", tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("trust_domain", "Upper/slash"), ("port", 65536), ("receipt_minutes", 0.0)],
)
def test_impossible_values_name_their_key(key, value):
    """A value of the right type can still be wrong."""
    with pytest.raises(SettingsError, match=f'"{key}"'):
        config.load(flags={key: value}, environment={})


def test_a_missing_config_file_is_an_error(tmp_path):
    """A file that was asked for by name is never skipped."""
    with pytest.raises(SettingsError, match="no such file"):
        config.load(tmp_path / "gone.toml", environment={})
