"""Socket, metrics and commands of the agent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lockgate.agent.cli.app import app
from lockgate.agent.control import ControlServer, Line, NoAgentError, ask
from lockgate.agent.workers.framing import FramingError, Inbox, encode

LOCKGATE = [sys.executable, "-c", "from lockgate.cli.main import main; main()", "agent"]


def test_status_comes_over_the_socket(tmp_path: Path) -> None:
    """A verb is answered, an unknown one is an error, and the socket is private."""
    server = ControlServer(tmp_path, {"status": lambda: {"state": "enforcing"}})
    try:
        assert ask(tmp_path, "status") == {"state": "enforcing"}
        assert "error" in ask(tmp_path, "else")
        assert (tmp_path / "agent.sock").stat().st_mode & 0o077 == 0
    finally:
        server.close()


def test_a_peer_that_answers_at_once_and_leaves_has_heard_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was sent was sent: that the other side is gone by then is no error."""
    ours, theirs = socket.socketpair()
    send_fds = socket.send_fds

    def sent_and_left(*given: Any) -> int:
        count = send_fds(*given)
        theirs.recv(1000)
        theirs.close()
        return count

    monkeypatch.setattr(socket, "send_fds", sent_and_left)
    with Line(ours) as line:
        line.say({"verb": "status"})


def test_no_agent_is_said_with_what_to_do(tmp_path: Path) -> None:
    """Without an agent the error names a remedy."""
    with pytest.raises(NoAgentError, match="lockgate agent run"):
        ask(tmp_path, "status")


def test_messages_survive_any_cut_and_nonsense_is_refused() -> None:
    """A message arrives whole from single bytes; a monstrous length ends the talk."""
    inbox = Inbox()
    message = {"path": "ä", "job": 1}
    assert [m for byte in encode(message) for m in inbox.feed(bytes([byte]))] == [message]
    with pytest.raises(FramingError):
        list(Inbox().feed(b"\xff\xff\xff\xff"))
    with pytest.raises(FramingError):
        list(Inbox().feed(b"\0\0\0\x02[]"))


def test_enforce_without_root_names_the_lesser_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without root is told to monitor."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    shown = CliRunner().invoke(app, ["guard", str(tmp_path)])
    assert shown.exit_code == 2
    assert "--mode monitor" in shown.output


def test_run_without_zones_is_a_usage_error(tmp_path: Path) -> None:
    """A settings file without a zone says what to add."""
    file = tmp_path / "agent.toml"
    file.write_text("")
    shown = subprocess.run(
        [*LOCKGATE, "run", "--config", file], check=False, capture_output=True, text=True
    )
    assert shown.returncode == 2
    assert "[[zones]]" in shown.stderr
