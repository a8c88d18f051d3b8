"""Controller, database and receivers killed at once: what was answered is in ledger and SIEM.

And the response hooks of every key that was found have run, with a receipt.
"""

import itertools
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.controller.alerts.receivers import Certificates, free_port, shipped_relp

sys.path.insert(0, str(Path(__file__).parent))

from collector import Collector  # shared by path, not installed
from verdict_load import Load, check, verify

from lockgate.controller.hooks.schema import hook_runs
from lockgate.controller.store import reading
from lockgate.controller.store.schema import destinations

pytestmark = [
    pytest.mark.skipif(shutil.which("rsyslogd") is None, reason="needs rsyslogd"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]

#: How many times something is killed; `make soak` does it often.
ROUNDS = [
    pytest.param(4, marks=pytest.mark.timeout(600)),
    pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(7200)]),
]
#: More than an index is waited for (60 s), then the longest pause before the next trial (60 s).
_PATIENCE_S = 200.0
_ALERTS = """
[[alerts.relp]]
name = "siem"
host = "localhost"
port = {relp}
ca_file = {authority}
certificate_file = {certificate}
key_file = {key}

[[alerts.splunk]]
name = "siem"
url = "http://127.0.0.1:{hec}"
token_file = {token}

[[hooks]]
name = "page"
classes = ["private"]
command = ["/bin/sh", "-c", 'printf "%s\\n" "$(cat)" >> $0', {pages}]
"""
#: One report in so many tells of a key that was never seen before.
_KNOWN_KEYS = 25


@pytest.fixture
def folder():
    """A folder with a short path: rsyslog's and PostgreSQL's sockets are named after it."""
    with tempfile.TemporaryDirectory(prefix="lockgate-all-") as made:
        yield Path(made)


@pytest.fixture
def certificates(folder):
    """Fresh ones."""
    return Certificates(folder)


@pytest.fixture
def relp(folder, certificates):
    """Rsyslog as shipped, and its port."""
    port = free_port()
    running = shipped_relp(folder, port, certificates)
    running.start()
    yield running, port
    running.stop()


@pytest.fixture
def hec(folder):
    """A collector with acknowledgement, and its port."""
    port = free_port()
    running = Collector(port, folder)
    running.start()
    yield running, port
    running.stop(signal.SIGKILL)


@pytest.fixture
def telling(tmp_path, database, new_controller, certificates, relp, hec):
    """A running controller that tells both."""
    made = new_controller(tmp_path / "state", database)
    made.initialise()
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("test-token")
    certificate, key = certificates.controller
    files = {"authority": certificates.authority, "certificate": certificate, "key": key}
    files |= {"token": token, "pages": tmp_path / "pages"}
    quoted = {name: json.dumps(str(path)) for name, path in files.items()}
    with (made.state / "controller.toml").open("a") as file:
        file.write(_ALERTS.format(relp=relp[1], hec=hec[1], **quoted))
    return made.start()


class FreshKeys:
    """Samples whose findings are of another key now and then."""

    def __init__(self, samples):
        self._samples, self._count = samples, itertools.count()

    def __getattr__(self, name):
        return getattr(self._samples, name)

    def finding(self):
        """A private key."""
        number = next(self._count) // _KNOWN_KEYS
        return self._samples.finding(fingerprint=f"sha256:{number:064x}")


class Killed:
    """Kills some of what there is at once, and starts it again: the database first."""

    def __init__(self, controller, cluster, *receivers):
        self._kill = {
            "database": cluster.kill,
            "controller": lambda: controller.stop(signal.SIGKILL),
            **{
                f"receiver {n}": lambda r=r: r.stop(signal.SIGKILL) for n, r in enumerate(receivers)
            },
        }
        self._start = {
            "database": cluster.start,
            "controller": controller.start,
            **{f"receiver {n}": r.start for n, r in enumerate(receivers)},
        }

    def all(self):
        """Everything at the same moment."""
        self._these(list(self._kill))

    def some(self):
        """A random choice, at random moments close to each other."""
        self._these(random.sample(list(self._kill), random.randint(1, len(self._kill))))

    def _these(self, victims):
        for victim in victims:
            self._kill[victim]()
            time.sleep(random.choice([0, 0.05]))
        time.sleep(random.uniform(0, 0.5))
        for victim in (name for name in self._start if name in victims):
            self._start[victim]()


def wait_until(check):
    """Wait until ``check`` is true."""
    end = time.monotonic() + _PATIENCE_S
    while not check():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.2)


def check_hooks(controller, pages):
    """Every run has a receipt in the ledger, and its command has had it at least once."""
    end = time.monotonic() + _PATIENCE_S
    while unfinished(controller):
        assert time.monotonic() < end, "a hook has not run"
        time.sleep(0.2)
    runs = {row.uid for row in controller.read(lambda c: c.execute(select(hook_runs)).all())}
    entries = [entry for entry in controller.entries() if entry["kind"] == "hook-receipt"]
    assert {entry["run"] for entry in entries if entry["state"] == "done"} == runs
    told = map(json.loads, pages.read_text().splitlines())
    assert {one["idempotency_key"] for one in told} >= runs
    assert len(runs) > 1


def unfinished(controller):
    """How many runs are not done."""
    query = select(func.count()).where(hook_runs.c.state != "done")
    return controller.read(lambda c: c.execute(query).scalar())


def status(controller):
    """What the controller says of its destinations."""
    return controller.read(lambda c: c.execute(select(destinations)).mappings().all())


@pytest.mark.parametrize("rounds", ROUNDS)
def test_whatever_is_killed_no_answer_and_no_alert_is_lost(
    telling, cluster, relp, hec, samples, rounds, tmp_path
):
    """Each answer is in the ledger once, its alert at both receivers, a repetition marked."""
    rsyslog, collector = relp[0], hec[0]
    agents = [telling.enrol(f"host-{n}") for n in range(3)]
    load = Load([telling], agents, FreshKeys(samples))
    killed = Killed(telling, cluster, rsyslog, collector)
    time.sleep(random.uniform(0.5, 1.5))
    killed.all()
    for _ in range(rounds - 1):
        time.sleep(random.uniform(0, 1.5))
        killed.some()
    wait_until(lambda: len(load.answered()) > 20)
    load.stop()
    answered = load.answered()
    assert len(answered) > 20
    agents[0].controller = telling
    agents[0].connect()
    check(telling, agents[0], answered)
    agents[0].channel.close()
    told = {alert["ledger_index"]: alert["uid"] for alert in telling.read(reading.alerts_of, 10**6)}
    due = {told[asked.answers[0].ledger_index] for asked in answered}
    end = time.monotonic() + _PATIENCE_S
    while not (due <= set(rsyslog.uids()) and due <= set(collector.uids())):
        lacking = [len(due - set(one.uids())) for one in (rsyslog, collector)]
        assert time.monotonic() < end, f"not delivered: {lacking}, {status(telling)}"
        time.sleep(0.2)
    check_hooks(telling, tmp_path / "pages")
    seen = set()
    for uid, is_marked in collector.events():
        assert is_marked or uid not in seen
        seen.add(uid)
    assert telling.stop() == 0
    assert verify(telling).startswith("whole:")
