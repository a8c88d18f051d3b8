"""Questions over the API and by command: the same answers, and each is itself recorded."""

import json
import sys
import time
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from people import join

from lockgate.controller.people.roles import Role
from lockgate.v1 import ledger_pb2 as pb
from lockgate.v1 import ledger_pb2_grpc

#: Of the service, not of the store: test_questions.py asks both.
pytestmark = pytest.mark.parametrize("database", [""])
KEY = "sha256:" + "ab" * 32


@pytest.fixture
def zeno(controller, tmp_path):
    """Somebody who may look."""
    return join(controller, tmp_path, "zeno", Role.VIEWER)


@pytest.fixture
def asked(agent, samples):
    """A transfer with a key in it."""
    transfer = samples.transfer()
    agent.ask(transfer, samples.report(samples.finding()))
    return transfer


def stub(person):
    """A client of the service."""
    return ledger_pb2_grpc.LedgerServiceStub(person.channel)


def test_commands_get_the_same_from_the_api_and_from_the_store(controller, zeno, asked, tmp_path):
    """Search, key and coverage; a name is asked for by its id."""
    (tmp_path / "hosts").write_text("host-1\nhost-9\n")
    words = (
        ("search", "--fingerprint", KEY),
        ("search", "--kind", "enrolment"),
        ("key", KEY, "--until", "2099-01-01"),
        (
            "coverage",
            "--hosts",
            str(tmp_path / "hosts"),
            "--until",
            "2026-01-02",
            "--since",
            "2026-01-01",
        ),
    )
    for one in words:
        remote = zeno.run("ledger", *one, "--json")
        local = zeno.run("ledger", *one, "--json", "--dir", str(controller.state))
        assert remote.returncode == 0, remote.stderr
        assert remote.stdout
        assert remote.stdout == local.stdout
    assert "recorded readers (0)" in zeno.run("ledger", *words[2]).stdout
    mine = zeno.run("ledger", "search", "--person", "zeno", "--kind", "view", "--json").stdout
    assert all(json.loads(line)["person"] == zeno.person.id for line in mine.splitlines())
    assert "zeno" not in str(controller.entries())


def test_each_question_is_an_entry_that_says_what_was_asked(controller, zeno, asked):
    """And it is there before the answer is."""
    page = stub(zeno).SearchLedger(pb.SearchLedgerRequest(kind="view"), timeout=10)
    (view,) = page.entries
    assert json.loads(view.entry)["asked"] == {"kind": "view"}


def test_an_entry_is_proven_over_the_api_and_verified_offline(controller, zeno, asked, tmp_path):
    """With the proof as a file, and the ledger's key."""
    end = time.monotonic() + 30
    while True:
        try:
            answer = stub(zeno).ProveEntry(pb.ProveEntryRequest(index=1), timeout=10)
            break
        except grpc.RpcError as error:
            assert error.details().startswith("not-found"), error.details()
            assert time.monotonic() < end
            time.sleep(0.2)
    (tmp_path / "proof").write_bytes(answer.proof)
    key = str(controller.state / "identity" / "ledger.pub")
    done = zeno.run("ledger", "verify", str(tmp_path / "proof"), "--key", key)
    assert done.returncode == 0, done.stdout + done.stderr
    done = zeno.run("ledger", "prove", "1", "--json")
    assert json.loads(done.stdout)["entry"] == json.loads(answer.proof)["entry"]


def test_what_a_running_controller_has_published_verifies(controller, zeno, asked):
    """The store and the folder of tiles, to the last entry, once it has stopped."""
    controller.stop()
    key = ("--key", str(controller.state / "identity" / "ledger.pub"))
    for words in ((str(controller.state),), (str(controller.state / "ledger"), *key)):
        done = zeno.run("ledger", "verify", *words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        outcome = json.loads(done.stdout)
        assert outcome["size"] == outcome["covered"] == len(controller.entries())


WRONG = (
    ("GetKeyHistory", pb.GetKeyHistoryRequest(key="nobody"), "not-found"),
    ("GetKeyHistory", pb.GetKeyHistoryRequest(), "malformed"),
    ("SearchLedger", pb.SearchLedgerRequest(sha256="x"), "malformed"),
    ("SearchLedger", pb.SearchLedgerRequest(since={"seconds": 2**62}), "malformed"),
    ("GetCoverage", pb.GetCoverageRequest(until={"nanos": -1}), "malformed"),
    ("GetCoverage", pb.GetCoverageRequest(hosts=["h"] * 9, since={"seconds": 1}), "malformed"),
    ("ProveEntry", pb.ProveEntryRequest(index=2**64 - 1), "not-found"),
)


def test_a_wrong_question_is_refused_with_a_reason(zeno):
    """One word, never a stack trace."""
    for name, request, word in WRONG:
        with pytest.raises(grpc.RpcError) as refused:
            getattr(stub(zeno), name)(request, timeout=10)
        assert refused.value.details().startswith(word)


def test_a_command_says_in_one_line_what_is_wrong(zeno):
    """Exit code 2."""
    for words in (
        ("key", "nobody"),
        ("search", "--since", "yesterday"),
        ("search", "--limit", "0"),
    ):
        done = zeno.run("ledger", *words)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
