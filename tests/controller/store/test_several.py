"""Several controllers on one PostgreSQL database: one ledger, one answer, one deliverer."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from lockgate.controller.store import reading

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def wait_until(check, seconds=60.0):
    """What ``check`` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def second(controller, tmp_path):
    """A second controller beside the first."""
    made = controller.beside(tmp_path / "second").start()
    yield made
    made.stop(signal.SIGKILL)


def moved(agent, controller):
    """The same agent, connected to another controller."""
    agent.controller = controller
    agent.connect()
    return agent


def alert_uids(*controllers):
    """What the file sinks of all have written; a line that is being written does not count yet."""
    lines = []
    for controller in controllers:
        path = controller.state / "alerts.jsonl"
        lines += path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    return [json.loads(line)["metadata"]["uid"] for line in lines]


def test_all_write_one_ledger(controller, second, samples):
    """Under load on both every answer is at its index; numbers have no gap and no double."""
    agents = [controller.enrol("host-1"), moved(controller.enrol("host-2"), second)]

    def load(agent):
        answers = []
        for _ in range(40):
            transfer = samples.transfer(agent.host)
            answers.append((agent.ask(transfer, samples.report()), transfer.transfer_id))
        return answers

    with ThreadPoolExecutor(2) as pool:
        answered = [one for answers in pool.map(load, agents) for one in answers]
    entries = controller.entries()
    for answer, transfer_id in answered:
        assert entries[answer.ledger_index]["transfer_id"] == transfer_id
    assert len({answer.ledger_index for answer, _ in answered}) == 80
    assert "sequence-gap" not in [entry["kind"] for entry in entries]


def test_a_request_sent_to_all_at_once_is_decided_once(controller, second, samples):
    """An agent that did not hear the first controller's answer gets it from the second."""
    agent = controller.enrol("host-1")
    first = agent.stub
    other = moved(agent, second).stub
    for _ in range(10):
        request = agent.verdict_request(samples.transfer(), samples.report())
        calls = [stub.RequestVerdict.future(request, timeout=20) for stub in (first, other)]
        assert calls[0].result() == calls[1].result()
    kinds = [entry["kind"] for entry in controller.entries()]
    assert kinds.count("verdict") == 10


def test_another_delivers_when_the_deliverer_dies(controller, second, samples):
    """Nothing is told twice while both live, and nothing is left when one is killed."""
    agent = controller.enrol("host-1")

    def found(count):
        for _ in range(count):
            agent.ask(samples.transfer(), samples.report(samples.finding()))

    found(5)
    wait_until(lambda: len(alert_uids(controller, second)) == 5)
    time.sleep(1)
    assert len(alert_uids(controller, second)) == 5
    assert alert_uids(second) == []
    controller.stop(signal.SIGKILL)
    moved(agent, second)
    found(5)
    wait_until(lambda: len(alert_uids(second)) == 5)
    told = [alert["uid"] for alert in second.read(reading.alerts_of, 100)]
    assert sorted(alert_uids(controller, second)) == sorted(told)


def test_a_database_that_is_away_is_said_without_its_words(controller, agent, cluster, samples):
    """Calls are refused while it is gone and answered once it is back; nobody is restarted."""
    agent.ask(samples.transfer(), samples.report())
    request = agent.verdict_request(samples.transfer(), samples.report())
    cluster.kill()
    try:
        with pytest.raises(grpc.RpcError) as caught:
            agent.stub.RequestVerdict(request, timeout=20)
    finally:
        cluster.start()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(caught.value.trailing_metadata())["lockgate-reason"] == "store-unavailable"
    assert "socket" not in caught.value.details()

    def answered():
        try:
            return agent.stub.RequestVerdict(request, timeout=20)
        except grpc.RpcError:
            return None

    answer = wait_until(answered)
    assert controller.entries()[answer.ledger_index]["request_id"] == request.request_id
    assert controller.process.poll() is None


def test_a_second_init_on_a_database_in_use_is_refused(controller, tmp_path):
    """Another authority on the same ledger would be a fork; nothing is made."""
    other = type(controller)(tmp_path / "other", controller.database)
    with pytest.raises(FileExistsError, match="there is a store already"):
        other.initialise()
    assert not (other.state / "identity").exists()
