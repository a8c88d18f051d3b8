"""Mistakes in files and arguments: one line that names file, line and nearest key."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockgate.agent.cli.app import app


def said(*words: str) -> tuple[int, str]:
    """Exit code and what was said on standard error."""
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


def folders(tmp_path: Path) -> list[str]:
    """Folders of this test only."""
    return ["--state-dir", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run")]


def test_a_typo_in_the_settings_is_named(tmp_path: Path) -> None:
    """File, line, key and the nearest key."""
    config = tmp_path / "agent.toml"
    config.write_text('[[zones]]\npath = "/z"\n[scan]\nworkrs = 2\n')
    code, text = said("run", "--config", str(config))
    assert code == 2
    assert f'{config}:4: "scan.workrs"' in text
    assert '"workers"' in text
    assert len(text.splitlines()) == 1


def test_a_typo_in_the_policy_is_named(tmp_path: Path) -> None:
    """File, line, key and the nearest key, before anything is guarded."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: lockgate.dev/v1\nkind: TransferPolicy\nmetadata: {name: x}\n"
        "spec:\n  rulez: []\n"
    )
    (tmp_path / "zone").mkdir()
    where = [str(tmp_path / "zone"), "--mode", "monitor", "--policy", str(policy)]
    code, text = said("guard", *where, *folders(tmp_path))
    assert code in {1, 2}
    assert f'{policy}:5:3: "spec.rulez"' in text
    assert '"rules"' in text


def test_without_a_zone_nothing_is_run(tmp_path: Path) -> None:
    """Settings without a zone are a usage error that shows how to name one."""
    config = tmp_path / "agent.toml"
    config.write_text("")
    code, text = said("run", "--config", str(config))
    assert code == 2
    assert "[[zones]]" in text


@pytest.mark.parametrize("verb", ["status"])
def test_without_an_agent_that_is_said(tmp_path: Path, verb: str) -> None:
    """The socket that nobody answers is named, and what to do."""
    code, text = said(verb, "--run-dir", str(tmp_path))
    assert code == 1
    assert "no agent answers" in text
    assert "--run-dir" in text
