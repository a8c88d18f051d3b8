"""kill -9 of controllers and of the database at random points, under load."""

import json
import random
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from verdict_load import Load, check, verify  # shared by path, not installed

from lockgate.controller.store import reading

#: Seconds of faults; `make soak` takes the long one.
SECONDS = [10, pytest.param(1800, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]


def told(controllers):
    """The uids in the files of the alert sinks; a line that a kill cut off does not count."""
    uids = []
    for controller in controllers:
        path = controller.state / "alerts.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        uids += [json.loads(line)["metadata"]["uid"] for line in whole.splitlines()]
    return uids


def finish(load, controllers, agent):
    """Stop the load and demand everything of the ledger and of the sinks."""
    load.stop()
    controller = controllers[0]
    agent.controller = controller
    agent.connect()
    answered = load.answered()
    assert len(answered) > 20
    check(controller, agent, answered)
    agent.channel.close()
    due = {alert["uid"] for alert in controller.read(reading.alerts_of, 1_000_000)}
    end = time.monotonic() + 60
    while not due <= set(told(controllers)):
        assert time.monotonic() < end, "an alert was not delivered"
        time.sleep(0.2)
    for each in controllers:
        assert each.stop() == 0
    assert verify(controller).startswith("whole:")


def wait(longest):
    """Wait for a random time."""
    time.sleep(random.uniform(0, longest))


@pytest.mark.parametrize("seconds", SECONDS)
def test_a_controller_killed_at_random_loses_and_doubles_nothing(controller, samples, seconds):
    """Whatever was answered is in the ledger once, and is answered the same again."""
    agents = [controller.enrol(f"host-{n}") for n in range(4)]
    load = Load([controller], agents, samples)
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(load.answered()) <= 20:
        wait(1.5)
        controller.stop(signal.SIGKILL)
        controller.start()
    finish(load, [controller], agents[0])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seconds", SECONDS)
def test_one_of_several_controllers_killed_at_random(controller, samples, seconds, tmp_path):
    """Agents go on with the other one, and get the answers that they did not hear."""
    controllers = [controller, controller.beside(tmp_path / "second").start()]
    agents = [controller.enrol(f"host-{n}") for n in range(4)]
    load = Load(controllers, agents, samples)
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(load.answered()) <= 20:
        wait(1.5)
        victim = random.choice(controllers)
        victim.stop(signal.SIGKILL)
        victim.start()
    finish(load, controllers, agents[0])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seconds", SECONDS)
def test_a_database_killed_at_random_loses_and_doubles_nothing(
    controller, cluster, samples, seconds
):
    """The controller stays up, refuses meanwhile, and goes on by itself."""
    agents = [controller.enrol(f"host-{n}") for n in range(4)]
    load = Load([controller], agents, samples)
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(load.answered()) <= 20:
        wait(2.0)
        cluster.signal(random.choice([signal.SIGKILL, signal.SIGQUIT]))
        wait(0.5)
        cluster.start()
    assert controller.process.poll() is None
    finish(load, [controller], agents[0])
