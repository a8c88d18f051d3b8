"""``lockgate agent status``: exit codes, and what a person reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockgate.agent.canary.proof import Attempt, Result, Round
from lockgate.agent.canary.rounds import Tried
from lockgate.agent.cli.app import app
from lockgate.agent.control import ControlServer
from lockgate.agent.guard.census import OpenFile
from lockgate.agent.health import ZoneFacts, judge
from lockgate.agent.zone_status import census_by_process, zone_status

OLDER = (
    OpenFile(7, "/bin/a", (1, 2), reads=True, writes=False, mapped=False),
    OpenFile(7, "/bin/a", (1, 2), reads=True, writes=True, mapped=True),
    OpenFile(9, "/bin/b", (1, 3), reads=True, writes=False, mapped=True),
)


def answer(*, marked: bool) -> dict[str, Any]:
    """What an agent with one zone says of itself."""
    health = judge(ZoneFacts("z", marked=marked), (), 60.0)
    attempt = Attempt("pem", "mmap", 1, 2, 1, 0)
    tried = Tried(Round(((attempt, Result.REFUSED),), ()), (), 1795247664.0, 1.0)
    return {
        "host": "h",
        "mode": "enforce",
        "state": health.state.value,
        "reasons": list(health.reasons),
        "zones": [zone_status(health, "/srv/z", tried)],
        "pending": 0,
        "counts": {"denied": 4},
        "workers": {"pids": [5], "waiting": 0},
        "older_than_mark": 3,
    }


@contextmanager
def agent(run_dir: Path, *, marked: bool = True) -> Iterator[None]:
    """A socket that answers as an agent does."""
    verbs = {
        "status": lambda: answer(marked=marked),
        "census": lambda: {"processes": census_by_process(OLDER)},
    }
    server = ControlServer(run_dir, verbs)
    try:
        yield
    finally:
        server.close()


def said(run_dir: Path, *words: str) -> tuple[int, str]:
    """Exit code and output."""
    done = CliRunner().invoke(app, ["status", "--run-dir", str(run_dir), *words])
    return done.exit_code, done.stdout


@pytest.mark.parametrize(("marked", "code"), [(True, 0), (False, 1)])
def test_check_tells_by_its_exit_code(tmp_path: Path, *, marked: bool, code: int) -> None:
    """Only a zone that is less than enforcing makes it 1; without it an answer is enough."""
    with agent(tmp_path, marked=marked):
        assert said(tmp_path)[0] == 0
        assert said(tmp_path, "--check")[0] == code
        assert said(tmp_path, "--check", "--json")[0] == code


def test_a_person_reads_state_reasons_and_proof(tmp_path: Path) -> None:
    """The state of each zone, why, and what was tried last."""
    with agent(tmp_path, marked=False):
        _, text = said(tmp_path)
    assert text.startswith("blind: agent of h, mode enforce\nzone z at /srv/z: blind\n")
    assert "  because: the zone's filesystem has no mark" in text
    assert "  last proof: 2026-11-21T" in text
    assert "  tried: mmap of a pem file: refused" in text
    assert "open before the guard was put on: 3" in text


def test_the_census_is_listed_by_process(tmp_path: Path) -> None:
    """One line a process, with what it has open."""
    with agent(tmp_path):
        text = said(tmp_path, "--census")[1]
        whole = json.loads(said(tmp_path, "--census", "--json")[1])
    assert "pid 7 /bin/a: 1 descriptors, 1 mappings of 1 files, some to write" in text
    assert "pid 9 /bin/b: 0 descriptors, 1 mappings of 1 files\n" in text
    assert [process["pid"] for process in whole["processes"]] == [7, 9]
