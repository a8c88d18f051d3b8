"""The command line, as an operator uses it."""

import json
import socket
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "from lockgate.controller.cli import app; app()"]


def run(*arguments, **changes):
    """One call of ``lockgate controller``."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_init_token_and_the_read_verbs(tmp_path):
    """A new controller has an authority, gives a token that carries it, and empty lists."""
    made = run("init", "--dir", tmp_path / "s", "--trust-domain", "test.internal")
    assert made.returncode == 0, made.stderr
    ca_sha256 = made.stdout.strip().rpartition(":")[2]
    token = run("token", "--dir", tmp_path / "s", "--ttl", 60, "--host", "h").stdout.strip()
    assert token.split(".")[:2] == ["lg1", ca_sha256]
    for verb in ("transfers", "incidents", "alerts", "agents"):
        shown = run(verb, "--json", "--dir", tmp_path / "s")
        assert (shown.returncode, shown.stdout) == (0, "")
        assert run(verb, "--dir", tmp_path / "s").returncode == 0


def test_a_second_init_is_refused_and_changes_nothing(tmp_path):
    """The authority's key is the same afterwards."""
    run("init", "--dir", tmp_path / "s")
    before = (tmp_path / "s/identity/ca.key").read_bytes()
    again = run("init", "--dir", tmp_path / "s")
    assert again.returncode == 2
    assert "there is a controller already" in again.stderr
    assert (tmp_path / "s/identity/ca.key").read_bytes() == before


def test_a_test_event_waits_for_its_destinations(tmp_path):
    """It is an alert as any other, with its entry in the ledger."""
    run("init", "--dir", tmp_path / "s")
    sent = run("alerts", "--test", "--dir", tmp_path / "s")
    assert sent.returncode == 0, sent.stderr
    (alert,) = map(json.loads, run("alerts", "--json", "--dir", tmp_path / "s").stdout.splitlines())
    assert sent.stdout.split()[0] == alert["uid"]
    assert alert["event"]["unmapped"]["lockgate"]["event"] == "alert-test"
    assert (alert["ledger_index"], alert["delivery"]) == (1, {})


@pytest.mark.parametrize("verb", ["run", "token", "transfers", "agents"])
def test_without_init_every_verb_says_what_is_missing(tmp_path, verb):
    """One line, exit code 2, and nothing is created."""
    answer = run(verb, "--dir", tmp_path / "none")
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists()


def says_in_one_line(answer):
    """What a refused verb says; one line, exit code 2, no stack trace."""
    ours = [line for line in answer.stderr.splitlines() if not line.startswith("E")]  # gRPC's own
    assert (answer.returncode, len(ours), answer.stdout) == (2, 1, ""), answer.stderr
    return ours[0]


PORTS = ("--port", "--enrol-port", "--metrics-port")


@pytest.mark.parametrize("taken", PORTS)
def test_a_port_in_use_is_said(tmp_path, taken):
    """Whichever of the three it is, the address is named."""
    run("init", "--dir", tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        flags = [part for flag in PORTS for part in (flag, number if flag == taken else 0)]
        said = says_in_one_line(run("run", "--dir", tmp_path / "s", *flags))
    assert str(number) in said
    assert "in use" in said


def test_a_key_that_others_may_read_is_not_used(tmp_path):
    """Whoever could read it could sign as this controller; the remedy is named."""
    run("init", "--dir", tmp_path / "s")
    key = tmp_path / "s/identity/passport.key"
    key.chmod(0o640)
    said = says_in_one_line(run("run", "--dir", tmp_path / "s", "--port", 0, "--enrol-port", 0))
    assert str(key) in said
    assert "0600" in said


@pytest.mark.parametrize("verb", ["run", "token", "transfers", "alerts"])
def test_a_store_that_is_none_is_said(tmp_path, verb):
    """A damaged database file is one line for every verb, and it is left as it is."""
    run("init", "--dir", tmp_path / "s")
    store = tmp_path / "s/controller.db"
    store.write_bytes(b"not a database" * 100)
    assert "not a database" in says_in_one_line(run(verb, "--dir", tmp_path / "s"))
    assert store.read_bytes() == b"not a database" * 100


def test_a_typo_in_the_settings_names_file_line_and_key(tmp_path):
    """The nearest known key is offered."""
    path = tmp_path / "controller.toml"
    path.write_text("# mine\nreceipt_minuts = 3\n")
    answer = run("agents", "--config", path)
    assert answer.returncode == 2
    assert f'{path}:2: "receipt_minuts"' in answer.stderr
    assert '"receipt_minutes"' in answer.stderr


def test_a_broken_policy_stops_the_start(tmp_path):
    """The controller does not run on half a policy."""
    run("init", "--dir", tmp_path / "s")
    policy = tmp_path / "policy.yaml"
    policy.write_text("kind: Nonsense\n")
    with (tmp_path / "s/controller.toml").open("a") as file:
        file.write(f"policy_files = [{json.dumps(str(policy))}]\n")
    answer = run("run", "--dir", tmp_path / "s", "--port", 0, "--enrol-port", 0)
    assert answer.returncode == 2
    assert str(policy) in answer.stderr
