"""Periods, holds and erasure by command: proposed by one person, made by another."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from people import join

from lockgate.controller.people.roles import Role

pytestmark = pytest.mark.parametrize("database", [""])  # of the commands, not of the store


@pytest.fixture
def office(controller, tmp_path):
    """Two who answer for keys, and somebody who looks."""
    given = {"anna": Role.SECURITY, "berta": Role.ADMINISTRATOR, "zeno": Role.VIEWER}
    return {name: join(controller, tmp_path, name, role) for name, role in given.items()}


def approved(office, *words):
    """Propose as anna, approve as berta."""
    done = office["anna"].run("ledger", *words, "--reason", "a test")
    assert done.returncode == 0, done.stderr
    change = done.stdout.split()[0]
    shown = office["berta"].run("change", "show", change, "--json")
    sha256 = json.loads(shown.stdout)["content_sha256"]
    done = office["berta"].run("change", "approve", change, "--sha256", sha256)
    assert done.returncode == 0, done.stderr


def rows(person, *words):
    """What a command prints for programs."""
    done = person.run("ledger", "retention", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_two_people_change_how_long_evidence_stays(controller, office, agent, samples):
    """A period, a hold and its end, an erased transfer, an erased person."""
    transfer = samples.transfer(path="/home/jane/core")
    agent.ask(transfer, samples.report(samples.finding()))
    approved(office, "keep", "clean", "30")
    approved(office, "hold", "host", "host-9")
    here = ("--dir", str(controller.state))
    assert rows(office["zeno"]) == rows(office["zeno"], *here)
    assert {"kept": "clean", "days": 30} in rows(office["zeno"])
    assert rows(office["zeno"])[-1]["value"] == "host-9"
    approved(office, "hold", "host", "host-9", "--release")
    assert "held" not in rows(office["zeno"])[-1]
    assert office["zeno"].run("ledger", "retention").returncode == 0
    approved(office, "erase", "--transfer", transfer.transfer_id)
    fingerprint = "sha256:" + "ab" * 32
    history = office["zeno"].run("ledger", "key", fingerprint, "--json").stdout
    assert "jane" not in history
    assert json.loads(history)["transfers"][0]["erased"] is True
    assert office["zeno"].run("ledger", "key", fingerprint).returncode == 0
    approved(office, "erase", "--person", "zeno")
    assert office["zeno"].run("ledger", "retention").returncode == 2
    assert "zeno" not in office["berta"].run("person", "list").stdout
    kinds = [entry["kind"] for entry in controller.entries()]
    assert [kind for kind in kinds if kind in {"retention", "legal-hold", "erasure"}] == [
        "retention",
        "legal-hold",
        "legal-hold",
        "erasure",
        "erasure",
    ]


def test_what_nobody_may_ask_for_is_refused_in_one_line(controller, office):
    """A viewer, a class that is none, both of two, none of two."""
    why = ("--reason", "a test")
    for person, words in (
        ("zeno", ("keep", "clean", "30")),
        ("anna", ("keep", "nothing", "30")),
        ("anna", ("erase",)),
        ("anna", ("erase", "--person", "x", "--transfer", "y")),
    ):
        done = office[person].run("ledger", *words, *why)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    done = office["anna"].run("ledger", "accept-clock", *why, "--dir", str(controller.state))
    assert done.returncode == 0
    assert controller.entries()[-1]["kind"] == "clock-accepted"
