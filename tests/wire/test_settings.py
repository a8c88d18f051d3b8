"""Settings of a daemon from files, environment and flags."""

import enum
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.wire.settings import SettingsError, files_beside, load


class Mode(enum.StrEnum):
    """A choice."""

    ENFORCE = "enforce"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """An array of tables."""

    name: str
    signing: bool = False


@dataclass(frozen=True, slots=True)
class LimitTable:
    """A nested table."""

    seconds: float = 5.0
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """Every kind of setting once."""

    state: Path = Path("/var/lib/x")
    port: int = 7443
    quiet: bool = False
    mode: Mode = Mode.ENFORCE
    salt: Path | None = None
    limit: LimitTable = field(default_factory=LimitTable)
    zone: tuple[ZoneTable, ...] = ()

    def __post_init__(self):
        if self.port < 0:
            raise ValueError('"port": below 0')


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_stand_without_any_source():
    """No source at all gives the defaults."""
    assert load(Shape) == Shape()


def test_precedence_is_flag_environment_drop_in_main_default(tmp_path):
    """Each source beats the ones below it, key by key."""
    main = write(tmp_path / "x.toml", "port = 1\nquiet = true\n[limit]\nseconds = 1\n")
    write(tmp_path / "conf.d/10.toml", "port = 2\n[limit]\nseconds = 2\n")
    environment = {"LOCKGATE_PORT": "3", "LOCKGATE_LIMIT_SECONDS": "3.5"}
    files = files_beside(main)
    assert load(Shape, files=files).port == 2
    assert load(Shape, files=files, environment=environment).limit.seconds == 3.5
    flags = {"port": 4, "quiet": None, "limit.hosts": ["a"]}
    loaded = load(Shape, files=files, environment=environment, flags=flags)
    assert (loaded.port, loaded.quiet, loaded.limit) == (4, True, LimitTable(3.5, ("a",)))


def test_arrays_of_tables_are_joined_over_files(tmp_path):
    """A drop-in adds a zone and does not replace the others."""
    main = write(tmp_path / "x.toml", '[[zone]]\nname = "a"\n')
    write(tmp_path / "conf.d/b.toml", '[[zone]]\nname = "b"\nsigning = true\n')
    zones = load(Shape, files=files_beside(main)).zone
    assert zones == (ZoneTable("a"), ZoneTable("b", signing=True))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("quiet = true\nprot = 1\n", 2, ['"prot"', '"port"']),
        ("\n[limit]\nsecnds = 1\n", 3, ['"limit.secnds"', '"seconds"']),
        ('[[zone]]\nname = "a"\nsining = true\n', 3, ['"zone.sining"', '"signing"']),
        ('port = "7443"\n', 1, ['"port"', "a whole number"]),
        ("port = true\n", 1, ['"port"', "a whole number"]),
        ('quiet = "no"\n', 1, ['"quiet"', "true or false"]),
        ('mode = "enforced"\n', 1, ['"mode"', "enforce, monitor"]),
        ("limit = 3\n", 1, ['"limit"', "a table"]),
        ('[limit]\nhosts = "a"\n', 2, ['"limit.hosts"', "a list"]),
    ],
)
def test_a_wrong_key_or_value_names_file_line_and_key(tmp_path, text, line, words):
    """An error says where it is and what was meant."""
    path = write(tmp_path / "x.toml", text)
    with pytest.raises(SettingsError) as caught:
        load(Shape, files=[path])
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert all(word in str(caught.value) for word in words)


def test_broken_toml_and_missing_files_are_errors_that_name_the_file(tmp_path):
    """What cannot be read is never skipped."""
    broken = write(tmp_path / "x.toml", "port = \n")
    with pytest.raises(SettingsError, match=r"x\.toml.*line 1"):
        load(Shape, files=[broken])
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        load(Shape, files=[tmp_path / "gone.toml"])


def test_what_the_dataclass_refuses_is_a_settings_error():
    """A ValueError of the settings themselves is told like any other."""
    with pytest.raises(SettingsError, match='"port": below 0'):
        load(Shape, flags={"port": -1})


def test_a_required_setting_that_is_missing_is_named(tmp_path):
    """A table without its required key says which."""
    path = write(tmp_path / "x.toml", "[[zone]]\nsigning = true\n")
    with pytest.raises(SettingsError, match="missing setting: name"):
        load(Shape, files=[path])


@pytest.mark.parametrize(
    ("name", "text"),
    [("LOCKGATE_PORT", "x"), ("LOCKGATE_QUIET", "maybe"), ("LOCKGATE_MODE", "off")],
)
def test_a_wrong_environment_value_names_its_variable(name, text):
    """The environment is checked like a file."""
    with pytest.raises(SettingsError, match=name):
        load(Shape, environment={name: text})


def test_environment_lists_and_optionals():
    """Lists are separated by commas; an optional path is a path."""
    environment = {"LOCKGATE_LIMIT_HOSTS": "a, b,", "LOCKGATE_SALT": "/s", "LOCKGATE_OTHER": "x"}
    loaded = load(Shape, environment=environment)
    assert loaded.limit.hosts == ("a", "b")
    assert loaded.salt == Path("/s")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_loads_or_is_a_settings_error(tmp_path_factory, text):
    """No file content raises anything else."""
    path = tmp_path_factory.mktemp("any") / "x.toml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        load(Shape, files=[path])
    except SettingsError as error:
        assert str(path) in str(error)
