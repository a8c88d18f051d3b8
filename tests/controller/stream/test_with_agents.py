"""Real agents' clients with a real controller: certificates that turn over, commands, outages."""

import itertools
import queue
import signal
import socket
import ssl
import time
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.controller.alerts.receivers import free_port

from lockgate.agent.uplink.backoff import Backoff
from lockgate.agent.uplink.client import ClientSettings, ControllerDecider
from lockgate.agent.uplink.identity import Credentials, enrol
from lockgate.agent.uplink.spool import Spool
from lockgate.agent.uplink.stream import StreamSettings
from lockgate.agent.verdicts.journal import Journal
from lockgate.controller import clock, setup
from lockgate.controller.ledger import Ledger
from lockgate.controller.store import reading
from lockgate.controller.store.database import open_writer
from lockgate.controller.stream import commands
from lockgate.controller.stream.schema import commands as table
from lockgate.wire.agent import AgentHealth, GuardState, Release
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import HoldReason, Verdict

from .conftest import wait_until

HEALTH = AgentHealth(GuardState.ENFORCING, (), (), "0" * 64)


@pytest.fixture
def database():
    """The file: what the streams ask of a database is tried on both kinds in test_commands.py."""
    return ""


class Host:
    """An enrolled host and, while it runs, its client of the controller."""

    def __init__(self, controller, state, name="host-1"):
        self.controller, self.state, self.name = controller, state, name
        token = controller.token()
        enrol(state, controller.addresses["enrol"], token, name)
        self.client = None
        self.numbers = itertools.count(1)
        self.released = queue.SimpleQueue()

    def start(self, within=10.0):
        """Begin to ask, at the controller's ports of now."""
        addresses = self.controller.addresses
        self.credentials = Credentials(self.state, addresses["grpc"], addresses["enrol"])
        self.client = ControllerDecider(
            ClientSettings(self.name, self.state, within, 16 << 20),
            self.credentials,
            Spool(self.state / "spool", limit=16 << 20),
            Journal(self.state / "journal"),
        )
        deeds = {Release: lambda action: self.released.put(action) or "asked again"}
        settings = StreamSettings(self.state, lambda: HEALTH, deeds, Backoff(0.2, 1.0))
        self.client.open_stream(settings)
        return self

    def stop(self):
        """End the client."""
        if self.client is not None:
            self.client.close()
            self.client = None

    def decide(self, transfer, report):
        """Ask, and wait for the decision."""
        self.client.request(next(self.numbers), transfer, report)
        ((_, decision),) = wait_until(self.client.collect, 30)
        return decision

    @property
    def stream_is_open(self):
        """What status says."""
        return self.client.status()["stream"]["open"]


@pytest.fixture
def host(controller, tmp_path):
    """An enrolled host that does not run yet."""
    made = Host(controller, tmp_path / "agent")
    yield made
    made.stop()


def restarted(controller, **environment):
    """The controller with other settings."""
    controller.stop()
    return controller.start(**environment)


def shown_certificate(address):
    """The certificate that a server shows now, DER."""
    name, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((name, int(port)), 10) as plain,
        context.wrap_socket(plain) as secured,
    ):
        return secured.getpeercert(binary_form=True)


def test_certificates_turn_over_under_load_and_no_decision_fails(controller, tmp_path, samples):
    """The agent's and the controller's, several times while files are decided all along."""
    restarted(
        controller,
        LOCKGATE_CERTIFICATE_HOURS=str(8 / 3600),
        LOCKGATE_SERVER_CERTIFICATE_HOURS=str(6 / 3600),
    )
    host = Host(controller, tmp_path / "agent").start()
    servers, verdicts = set(), []

    def has_turned_over():
        return host.credentials.generation >= 4 and len(servers) >= 2 and len(verdicts) > 100

    begin = time.monotonic()
    while (took := time.monotonic() - begin) < 14 or (took < 100 and not has_turned_over()):
        jobs = [next(host.numbers) for _ in range(8)]
        for job in jobs:
            host.client.request(job, samples.transfer(), samples.report())
        got = []
        while len(got) < len(jobs):
            got += wait_until(host.client.collect, 30)
        verdicts += [(d.verdict, d.hold_reason) for _, d in got]
        servers.add(shown_certificate(controller.addresses["enrol"]))
    generations = host.credentials.generation
    host.stop()
    assert set(verdicts) == {(Verdict.ALLOW, None)}, f"of {len(verdicts)}"
    assert len(verdicts) > 100
    assert generations >= 4
    assert len(servers) >= 2
    kinds = [entry["kind"] for entry in controller.entries()]
    assert kinds.count("renewal") >= 3
    assert kinds.count("verdict") == len(verdicts)


def test_an_agent_that_was_off_too_long_recovers_and_says_why_it_is_red(controller, host, samples):
    """Its certificate is over: held, with reasons, until its last key is accepted."""
    restarted(controller, LOCKGATE_CERTIFICATE_HOURS=str(2 / 3600))
    token = setup.make_token(controller.settings, "host-1", timedelta(minutes=1)).text()
    enrol(host.state, controller.addresses["enrol"], token, "host-1")
    time.sleep(2.5)
    controller.stop(signal.SIGKILL)
    host.start(within=2.0)
    held = host.decide(samples.transfer(), samples.report())
    assert (held.verdict, held.hold_reason) == (Verdict.HOLD, HoldReason.CERTIFICATE)
    reasons = wait_until(lambda: len(host.client.weaknesses()) == 2 and host.client.weaknesses())
    assert reasons[0] == "the agent's certificate is not valid now"
    assert reasons[1].startswith("the certificate cannot be renewed: 127.0.0.1:")
    host.stop()
    controller.start()
    host.start()
    wait_until(lambda: not host.credentials.expired(), 30)
    assert host.decide(samples.transfer(), samples.report()).verdict is Verdict.ALLOW
    wait_until(lambda: host.stream_is_open and not host.client.weaknesses())
    assert "renewal" in [entry["kind"] for entry in controller.entries()]


def test_an_evicted_agent_says_so_until_it_is_enrolled_anew(controller, host, samples):
    """Held as certificate, with the controller's word among the reasons."""
    host.start()
    wait_until(lambda: host.stream_is_open)
    setup.evict(controller.settings, "host-1", "stolen")
    wait_until(host.client.weaknesses)
    assert "the controller refuses this host: certificate-revoked" in host.client.weaknesses()
    held = host.decide(samples.transfer(), samples.report())
    assert (held.verdict, held.hold_reason) == (Verdict.HOLD, HoldReason.CERTIFICATE)
    host.stop()
    token = setup.make_token(controller.settings, "host-1", timedelta(minutes=1)).text()
    enrol(host.state, controller.addresses["enrol"], token, "host-1")
    host.start()
    assert host.decide(samples.transfer(), samples.report()).verdict is Verdict.ALLOW


def send(controller, action, life=timedelta(hours=1)):
    """Send a command, as another process than the one that serves."""
    engine = open_writer(controller.settings.store)
    with engine.begin() as connection:
        now = clock.now()
        sent = commands.send(connection, Ledger(), "host-1", action, now, by="person-1", life=life)
    engine.dispose()
    return sent


def command_row(controller, command_id):
    """What is kept of a command."""
    query = select(table).where(table.c.command_id == command_id)
    return controller.read(lambda c: c.execute(query).one())


def test_a_command_reaches_the_agent_and_its_receipt_the_ledger(controller, host):
    """Sent by another process, while the stream is open."""
    host.start()
    wait_until(lambda: host.stream_is_open)
    action = Release(uuid7(), "cd" * 32)
    sent = send(controller, action)
    assert host.released.get(timeout=20) == action
    wait_until(lambda: command_row(controller, sent).outcome == "done")
    assert command_row(controller, sent).delivered_at is not None
    told = [e for e in controller.entries() if e["kind"] in {"command", "command-receipt"}]
    assert [e["command_id"] for e in told] == [sent, sent]
    wait_until(lambda: not list((host.state / "commands").glob("*.json")))


def test_a_command_waits_for_an_agent_that_is_away_and_is_done_once(controller, host):
    """Also when controller and agent are killed before the receipt is acknowledged."""
    sent = send(controller, Release(uuid7()))
    host.start()
    host.released.get(timeout=20)
    controller.stop(signal.SIGKILL)
    host.stop()
    controller.start()
    host.start()
    wait_until(lambda: command_row(controller, sent).outcome == "done")
    receipts = [e for e in controller.entries() if e["kind"] == "command-receipt"]
    assert len(receipts) == 1
    with pytest.raises(queue.Empty):
        host.released.get(timeout=1)


def test_a_command_that_nobody_does_expires_visibly(controller):
    """In the store, the ledger and the alerts."""
    controller.enrol("host-1")
    sent = send(controller, Release(uuid7()), life=timedelta(seconds=1))
    wait_until(lambda: command_row(controller, sent).outcome == "expired", 30)
    told = [a["event"]["unmapped"]["lockgate"] for a in controller.read(reading.alerts_of, 10)]
    assert [one["event"] for one in told] == ["command-expired"]


def test_a_restarted_controller_finds_no_heartbeat_missing(controller, host):
    """Killed between heartbeats and their acknowledgement, again and again."""
    controller.options = ("--port", str(free_port()), "--enrol-port", str(free_port()))
    restarted(controller, LOCKGATE_HEARTBEAT_SECONDS="1")
    host.start()
    for _ in range(2):
        wait_until(lambda: host.stream_is_open)
        time.sleep(1.3)
        controller.stop(signal.SIGKILL)
        controller.start(LOCKGATE_HEARTBEAT_SECONDS="1")
    wait_until(lambda: host.stream_is_open)
    before = host.client.status()["stream"]["heartbeat"]
    wait_until(lambda: host.client.status()["stream"]["heartbeat"] > before)
    kinds = {entry["kind"] for entry in controller.entries()}
    assert not kinds & {"heartbeat-gap", "heartbeat-rewound"}
