"""What an operator may say about destinations."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.controller import config
from lockgate.controller.alerts.destinations import sinks
from lockgate.wire.settings import SettingsError

WHOLE = """
[[alerts.relp]]
name = "siem"
host = "siem.example"
port = 2514

[[alerts.syslog]]
name = "siem"
host = "127.0.0.1"
port = 6514
tls = false

[[alerts.webhook]]
name = "pager"
url = "https://pager.example/in"
secret_file = "/etc/lockgate/pager.secret"

[[alerts.splunk]]
name = "siem"
url = "https://splunk.example:8088"
token_file = "/etc/lockgate/splunk.token"
ack = false
"""


def loaded(folder: Path, text: str) -> config.ControllerSettings:
    """Settings of a file."""
    path = folder / "controller.toml"
    path.write_text(text)
    return config.load(path, environment={})


def test_every_kind_of_destination_can_be_set(tmp_path):
    """Each has a cursor of its own name, and says whether it confirms."""
    made = {sink.name: sink.confirms for sink in sinks(loaded(tmp_path, WHOLE))}

    assert made == {
        "file": True,
        "relp:siem": True,
        "syslog:siem": False,
        "webhook:pager": True,
        "splunk:siem": False,
    }


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('host = "127.0.0.1"', 'host = "10.0.0.1"', "loopback"),
        ('"https://pager.example/in"', '"http://pager.example/in"', "expected https"),
        ('"https://pager.example/in"', '"https://a:b@pager.example/"', "password"),
        ('"https://pager.example/in"', '"file:///etc/passwd"', "expected https"),
        ("port = 2514", "port = 0", "port"),
        ("port = 2514", 'port = "x"', "whole number"),
        ('name = "pager"', 'name = "Pa ger"', "lower case"),
        ('name = "pager"\n', "", "missing setting: name"),
        ("ack = false", "acks = false", '"ack"'),
        ("[[alerts.syslog]]", "[[alerts.relp]]", "two are named 'siem'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(old, new, error, tmp_path):
    """A controller with a wrong destination does not start."""
    assert old in WHOLE
    with pytest.raises(SettingsError, match=error):
        loaded(tmp_path, WHOLE.replace(old, new, 1))
