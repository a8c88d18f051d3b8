"""Alerts reach the real rsyslog, whatever happens to it meanwhile."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from tests.controller.alerts.receivers import (
    Certificates,
    alerts,
    free_port,
    shipped_relp,
    syslog_over_tls,
)

from lockgate.controller.alerts.relp import RelpSink
from lockgate.controller.alerts.settings import Receiver
from lockgate.controller.alerts.sink import UnreachableError
from lockgate.controller.alerts.syslog import SyslogSink

pytestmark = pytest.mark.skipif(shutil.which("rsyslogd") is None, reason="needs rsyslogd")


@pytest.fixture
def certificates(tmp_path):
    """Fresh ones."""
    return Certificates(tmp_path)


@pytest.fixture
def receiver(certificates):
    """A receiver on loopback that knows the controller by its certificate."""
    certificate, key = certificates.controller
    return Receiver(
        "siem",
        "localhost",
        free_port(),
        ca_file=certificates.authority,
        certificate_file=certificate,
        key_file=key,
    )


@pytest.fixture
def rsyslog(tmp_path, receiver, certificates):
    """Rsyslog as shipped."""
    running = shipped_relp(tmp_path, receiver.port, certificates)
    running.start()
    yield running
    running.stop()


def deliver_at_last(sink, batch):
    """Deliver as the outbox does: again, until the receiver is well."""
    end = time.monotonic() + 60
    while True:
        try:
            return sink.deliver(batch)
        except UnreachableError:
            assert time.monotonic() < end, "the receiver does not recover"
            time.sleep(0.1)


def test_relp_delivers_in_order_and_whole(rsyslog, receiver):
    """Also events far beyond the usual limit of a syslog message."""
    sink = RelpSink(receiver)

    deliver_at_last(sink, alerts(1, 300))
    deliver_at_last(sink, alerts(301, 2, pad="ü" * 20_000))
    rsyslog.wait_for("uid-302")

    assert rsyslog.uids() == [f"uid-{n}" for n in range(1, 303)]


def test_a_receiver_that_is_killed_loses_nothing_that_it_acknowledged(rsyslog, receiver):
    """SIGKILL at random moments; what was acknowledged stands in the file afterwards."""
    sink, chance, acknowledged = RelpSink(receiver), random.Random(), 0
    for _ in range(8):
        killer = threading.Timer(chance.uniform(0, 0.15), lambda: rsyslog.stop(signal.SIGKILL))
        killer.start()
        while True:
            try:
                sink.deliver(alerts(acknowledged + 1, 60))
            except UnreachableError as error:
                acknowledged = error.acknowledged or acknowledged
                break
            acknowledged += 60
        killer.join()
        rsyslog.start()
    deliver_at_last(sink, alerts(acknowledged + 1, 1))
    rsyslog.wait_for(f"uid-{acknowledged + 1}")

    stored = set(rsyslog.uids())
    assert {f"uid-{n}" for n in range(1, acknowledged + 2)} - stored == set()


def test_an_event_that_a_kill_has_cut_off_does_not_swallow_the_next(rsyslog, receiver):
    """The next begins a line of its own, whole."""
    rsyslog.stop(signal.SIGKILL)
    rsyslog.log.write_text('{"metadata": {"uid": "uid-0')
    rsyslog.start()

    deliver_at_last(RelpSink(receiver), alerts(1, 2))
    rsyslog.wait_for("uid-2")

    assert rsyslog.uids() == ["uid-1", "uid-2"]


def test_a_receiver_lets_nobody_in_without_a_certificate(rsyslog, receiver):
    """The shipped configuration asks for the controller's name."""
    stranger = replace(receiver, certificate_file=None, key_file=None)

    with pytest.raises(UnreachableError):
        RelpSink(stranger).deliver(alerts(1, 1))


def test_a_receiver_without_the_right_name_gets_nothing(rsyslog, receiver):
    """Its certificate must name the host of the settings."""
    elsewhere = replace(receiver, host="127.0.0.1")

    with pytest.raises(UnreachableError, match="certificate"):
        RelpSink(elsewhere).deliver(alerts(1, 1))


def test_a_controller_delivers_its_test_event(rsyslog, receiver, tmp_path):
    """From the settings' file to the line in the receiver's, and back into the status."""
    state = tmp_path / "state"
    command = [sys.executable, "-c", "from lockgate.controller.cli import app; app()"]

    def run(*words):
        answer = subprocess.run(
            [*command, *words, "--dir", state], capture_output=True, text=True, check=True
        )
        return answer.stdout

    run("init")
    with (state / "controller.toml").open("a") as file:
        file.write(
            f"""
port = 0
enrol_port = 0
metrics_port = 0
[[alerts.relp]]
name = "siem"
host = "{receiver.host}"
port = {receiver.port}
ca_file = "{receiver.ca_file}"
certificate_file = "{receiver.certificate_file}"
key_file = "{receiver.key_file}"
"""
        )
    serving = subprocess.Popen([*command, "run", "--dir", state], stderr=subprocess.DEVNULL)
    try:
        uid = run("alerts", "--test").split()[0]
        rsyslog.wait_for(uid)
        end = time.monotonic() + 60
        status = {}
        while status.get("delivered_up_to") != 1:
            assert time.monotonic() < end, status
            shown = map(json.loads, run("alerts", "--status", "--json").splitlines())
            status = {each["destination"]: each for each in shown}["relp:siem"]
    finally:
        serving.terminate()
        serving.wait(30)

    assert (status["confirms"], status["failures"], status["dead_letters"]) == (True, 0, 0)


def test_syslog_over_tls_is_parsed_field_by_field(tmp_path, receiver, certificates):
    """Priority, application, structured data and event arrive as they were sent."""
    running = syslog_over_tls(tmp_path, receiver.port, certificates)
    running.start()
    sink = SyslogSink(receiver)

    def written():
        return running.log.read_text().count("\n") if running.log.exists() else 0

    try:
        sink.deliver(alerts(1, 1))
        sink.deliver(alerts(2, 200))
        sink.deliver(alerts(2, 1))
        end = time.monotonic() + 60
        while written() < 202 and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        running.stop()

    lines = running.log.read_text().splitlines()
    assert len(lines) == 202
    assert lines[1].startswith('109|lockgate|-|[lockgate@32473 uid="uid-2"]|')
    assert lines[-1].startswith('109|lockgate|-|[lockgate@32473 uid="uid-2" repeated="possible"]|')
    assert lines[1].rpartition("|")[2].strip() == ('{"metadata":{"uid":"uid-2"},"n":2,"pad":""}')
