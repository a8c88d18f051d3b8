"""Incidents of a running controller: what people see and do, triage, and hooks that survive."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from leaks import approved, restarted_with, said, wait_until
from people import join, log_in
from tests.controller.alerts.web import WebServer

from lockgate.controller import clock, setup
from lockgate.controller.people.roles import Role
from lockgate.controller.store import reading
from lockgate.controller.triage import store
from lockgate.controller.triage.schema import rulings
from lockgate.policy.canary import CANARY
from lockgate.scan.report import FindingClass
from lockgate.v1 import transfer_pb2
from lockgate.wire.transfer import Enforcement, Opener, Receipt, Verdict

PRINT = "sha256:" + "ab" * 32


@pytest.fixture
def database() -> str:
    """One kind of store: the parts are tested with both, the commands do not know which it is."""
    return ""


@pytest.fixture
def anna(controller, tmp_path):
    """She answers for keys."""
    return join(controller, tmp_path, "anna", Role.SECURITY)


@pytest.fixture
def berta(controller, tmp_path):
    """So does she."""
    return join(controller, tmp_path, "berta", Role.SECURITY)


def tell(agent, transfer, reader, verdict=Verdict.BLOCK, enforcement=Enforcement.DENIED):
    """The agent's receipt about one reader."""
    now = clock.now()
    agent.tell(
        Receipt(
            transfer.transfer_id, verdict, enforcement, None, 1, now, transfer.path, Opener(reader)
        )
    )


def test_an_incident_names_hosts_files_transfers_and_readers(controller, samples, anna):
    """Of one key on two hosts; acknowledged and closed by a person, open when seen again."""
    asked = []
    for host in ("host-1", "host-2"):
        agent = controller.enrol(host)
        transfer = samples.transfer(host, path=f"/zone/{host}.core")
        asked.append(transfer)
        agent.ask(transfer, samples.report(samples.finding()))
        tell(agent, transfer, 4711)
    (listed,) = said(anna.run("incidents", "list", "--json"))
    assert (listed["state"], listed["sightings"], sorted(listed["hosts"])) == (
        "open",
        2,
        ["host-1", "host-2"],
    )
    (shown,) = said(anna.run("incidents", "show", listed["id"], "--json"))
    seen = {one["transfer_id"]: one for one in shown["seen_in"]}
    for transfer in asked:
        one = seen[transfer.transfer_id]
        assert (one["host"], one["path"]) == (transfer.host, transfer.path)
        assert (one["sha256"], one["zone"], one["verdict"]) == ("cd" * 32, "signing", "BLOCK")
        assert one["opener"]["executable"] == "/bin/cp"
        assert [r["opener"]["pid"] for r in one["readings"]] == [4711]
        assert one["readings"][0]["enforcement"] == "denied"
    events = [a["event"]["unmapped"]["lockgate"] for a in controller.read(reading.alerts_of, 100)]
    assert {event["event"] for event in events} == {"verdict", "receipt"}
    assert {tuple(event["incidents"]) for event in events} == {(listed["id"],)}
    (taken,) = said(anna.run("incidents", "acknowledge", PRINT, "--reason", "mine", "--json"))
    assert (taken["state"], taken["changed_by"], taken["reason"]) == (
        "acknowledged",
        "anna",
        "mine",
    )
    again = anna.run("incidents", "acknowledge", PRINT)
    assert (again.returncode, "conflict" in again.stderr) == (2, True)
    (closed,) = said(anna.run("incidents", "close", listed["id"], "--reason", "done", "--json"))
    assert closed["state"] == "closed"
    agent.ask(samples.transfer("host-2"), samples.report(samples.finding()))
    (open_again,) = said(anna.run("incidents", "list", "--state", "open", "--json"))
    assert open_again["id"] == listed["id"]
    kinds = [entry["kind"] for entry in controller.entries()]
    assert kinds.count("incident-acknowledged") == kinds.count("incident-closed") == 1
    assert f"fingerprint: {PRINT}" in anna.run("incidents", "show", PRINT).stdout


def test_canaries_make_no_incident_and_a_wrong_name_is_said(controller, agent, samples, anna):
    """One line and exit code 2."""
    canary = samples.finding(class_=FindingClass.PROTECTED, protected_name=CANARY)
    agent.ask(samples.transfer(), samples.report(canary))
    assert said(anna.run("incidents", "list", "--json")) == []
    answer = anna.run("incidents", "show", canary.fingerprint)
    assert (answer.returncode, len(answer.stderr.splitlines())) == (2, 1)


def test_an_incident_is_shown_however_long_its_command_lines_are(controller, agent, samples, anna):
    """The newest sightings that fit into one answer, and how many there are."""
    opener = Opener(1, command="c" * 4096, executable="e" * 4096, parents=("p" * 4096,) * 8)
    for _ in range(60):
        transfer = samples.transfer(opener=opener, path="/" + "x" * 4000)
        agent.ask(transfer, samples.report(samples.finding()))
    (shown,) = said(anna.run("incidents", "show", PRINT, "--json"))
    assert shown["sightings"] == 60
    assert 10 < len(shown["seen_in"]) < 60
    assert shown["seen_in"][0]["transfer_id"] == transfer.transfer_id


def test_triage_lets_a_key_through_until_it_ends(controller, agent, samples, anna, berta):
    """By two people; shown in the incident; withdrawn, the key is stopped again."""
    report = samples.report(samples.finding())

    def decided():
        return agent.ask(samples.transfer(), report)

    assert decided().decision.verdict == transfer_pb2.VERDICT_BLOCK
    words = ("incidents", "triage", PRINT, "--as", "test", "--reason", "of the test suite")
    approved(anna.run(*words, "--until", "30d", "--json"), berta)
    wait_until(lambda: decided().decision.verdict == transfer_pb2.VERDICT_ALLOW)
    answer = decided()
    entry = controller.entries()[answer.ledger_index]
    assert PRINT in entry["audit"][0]
    assert entry["report"]["findings"][0]["class"] == "private"
    (listed,) = said(anna.run("incidents", "list", "--json"))
    assert (listed["ruling"]["as"], listed["ruling"]["proposed_by"]) == ("test", "anna")
    assert listed["ruling"]["approved_by"] == "berta"
    assert [r["reason"] for r in said(anna.run("incidents", "rulings", "--json"))] == [
        "of the test suite"
    ]
    said(berta.run("incidents", "withdraw", PRINT, "--json"))
    wait_until(lambda: decided().decision.verdict == transfer_pb2.VERDICT_BLOCK)
    assert said(anna.run("incidents", "rulings", "--json"))[0]["ended_by"] == "withdrawn"


def end_now(connection):
    """Let every ruling end at this moment."""
    values = {"until": clock.to_micros(clock.now()), "version": store.version(connection) + 1}
    connection.execute(update(rulings).values(**values))


def test_triage_expires_by_itself_and_is_told(controller, agent, samples, anna, berta):
    """The key is stopped again, with an alert; an end that has passed is not taken."""
    report = samples.report(samples.finding())
    words = ("incidents", "triage", PRINT, "--as", "accepted", "--reason", "x", "--until")
    approved(anna.run(*words, "30d", "--json"), berta)

    def verdict():
        return agent.ask(samples.transfer(), report).decision.verdict

    wait_until(lambda: verdict() == transfer_pb2.VERDICT_ALLOW)
    setup.write(controller.settings, end_now)
    wait_until(lambda: verdict() == transfer_pb2.VERDICT_BLOCK)

    def told():
        alerts = controller.read(reading.alerts_of, 1000)
        events = [alert["event"]["unmapped"]["lockgate"] for alert in alerts]
        return [e for e in events if e["event"] == "triage-expired"]

    assert wait_until(told)[0]["fingerprint"] == PRINT
    late = anna.run(*words, "2020-01-01")
    assert (late.returncode, "until" in late.stderr) == (2, True)


@pytest.fixture
def receiver():
    """A web server that takes what it is sent."""
    server = WebServer(lambda _r: (200, b""))
    yield server
    server.close()


def hooks(tmp_path, receiver, lines):
    """Settings with a pager and a program that revokes."""
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("a test secret of thirty bytes!")
    program = tmp_path / "revoke"
    program.write_text("#!/bin/sh\n" + lines.replace("OUT", str(tmp_path)))
    program.chmod(0o700)
    return f"""
[[hooks]]
name = "pager"
classes = ["private"]
url = "http://127.0.0.1:{receiver.port}/page"
secret_file = "{secret}"
[[hooks]]
name = "revoke"
action = "revoke"
classes = ["private"]
command = ["{program}", "now"]
"""


def test_a_page_goes_at_once_and_a_revocation_when_two_people_say_so(
    controller, samples, anna, berta, tmp_path, receiver
):
    """Once for each opening, not for each transfer; receipts in the incident and the ledger."""
    lines = 'cat >OUT/in.new; echo "$1" >OUT/argument; mv OUT/in.new OUT/in'
    restarted_with(controller, hooks(tmp_path, receiver, lines))
    anna, berta = (log_in(controller, tmp_path, one.person) for one in (anna, berta))
    agent = controller.enrol("host-1")
    for _ in range(3):
        agent.ask(samples.transfer(), samples.report(samples.finding()))
    wait_until(lambda: receiver.requests)
    proposal = anna.run("incidents", "confirm-revoke", PRINT, "--reason", "it leaked", "--json")
    assert not (tmp_path / "in").exists()
    approved(proposal, berta)
    told = json.loads(
        wait_until(lambda: (tmp_path / "in").exists() and (tmp_path / "in").read_text())
    )
    assert (told["action"], told["attempt"]) == ("revoke", 1)
    assert told["confirmed_by_change"] == said(proposal)[0]["id"]
    assert (tmp_path / "argument").read_text() == "now\n"

    def runs():
        (shown,) = said(anna.run("incidents", "show", PRINT, "--json"))
        done = {run["hook"]: run for run in shown["runs"]}
        return done if {run["state"] for run in done.values()} == {"done"} else None

    done = wait_until(runs)
    assert (done["pager"]["status"], done["revoke"]["status"]) == (200, 0)
    assert len(receiver.requests) == 1
    assert json.loads(receiver.requests[0].body)["incident"]["id"]
    receipts = [e for e in controller.entries() if e["kind"] == "hook-receipt"]
    assert {(e["hook"], e["status"]) for e in receipts} == {("pager", 200), ("revoke", 0)}
    assert controller.entries()[done["pager"]["receipt_index"]]["run"] == done["pager"]["id"]
    none = anna.run("incidents", "confirm-revoke", PRINT, "--reason", "again")
    assert (none.returncode, "conflict" in none.stderr) == (2, True)


def test_a_controller_killed_between_run_and_receipt_runs_again_with_the_same_key(
    controller, samples, tmp_path, receiver
):
    """The command had done its work; nobody had noted that."""
    lines = (
        "cat >>OUT/runs; echo >>OUT/runs; [ -e OUT/second ] || { touch OUT/second; sleep 1000; }"
    )
    settings = hooks(tmp_path, receiver, lines).replace('action = "revoke"', 'action = "page"')
    restarted_with(controller, settings)
    agent = controller.enrol("host-1")
    agent.ask(samples.transfer(), samples.report(samples.finding()))
    wait_until((tmp_path / "second").exists)
    controller.stop(signal.SIGKILL)
    controller.start()

    def receipts():
        kept = [e for e in controller.entries() if e["kind"] == "hook-receipt"]
        return [e for e in kept if e["hook"] == "revoke"]

    (receipt,) = wait_until(receipts)
    told = [json.loads(line) for line in (tmp_path / "runs").read_text().splitlines()]
    assert [run["attempt"] for run in told] == [1, 2]
    assert {run["idempotency_key"] for run in told} == {receipt["run"]}
    assert (receipt["attempt"], receipt["status"], receipt["state"]) == (2, 0, "done")
