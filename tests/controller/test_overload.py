"""Too much at once: told when to come back, recorded, never an ALLOW without a ledger entry."""

import threading
import time

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller import refusals
from lockgate.v1 import transfer_pb2


@pytest.fixture
def database():
    """The file: what waits for a store waits in this process."""
    return ""


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_the_pause_grows_with_what_waits_to_a_bound(waiting, chance):
    """At least a tenth of a second, at most half a minute."""
    pause = refusals.retry_ms(waiting, chance)
    assert 100 <= pause <= 30_000
    assert pause <= refusals.retry_ms(waiting + 1000, chance)


def _as_told(call):
    """The answer to ``call``, asked again after the pause that a refusal names.

    The controller's own rounds (expiry, commands, rings) wait in the same line: at the bound of
    one, any call may meet them.
    """
    for _ in range(50):
        try:
            return call()
        except grpc.RpcError as error:
            metadata = dict(error.trailing_metadata() or ())
            assert metadata.get("lockgate-reason") == "overload", error
            time.sleep(int(metadata["lockgate-retry-after-ms"]) / 1000)
    raise AssertionError("the overload did not end")


def test_overload_is_refused_with_a_hint_and_nothing_is_allowed_by_it(controller, samples):
    """Of a storm, what is answered is in the ledger; all else is refused, and works later."""
    controller.stop()
    controller.start(LOCKGATE_MOST_WAITING="1")
    agent = _as_told(lambda: controller.enrol("host-1"))
    requests = [agent.verdict_request(samples.transfer(), samples.report()) for _ in range(400)]
    answered, refused = [], []

    def ask(some):
        calls = [agent.stub.RequestVerdict.future(each, timeout=30) for each in some]
        for request, call in zip(some, calls, strict=True):
            try:
                answered.append((request, call.result()))
            except grpc.RpcError as error:
                metadata = dict(error.trailing_metadata() or ())
                told = (error.code(), metadata.get("lockgate-reason"))
                refused.append((request, told, int(metadata.get("lockgate-retry-after-ms", 0))))

    threads = [threading.Thread(target=ask, args=(requests[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answered) + len(refused) == 400
    assert refused
    busy = (grpc.StatusCode.RESOURCE_EXHAUSTED, "overload")
    assert {told for _, told, _ in refused} == {busy}
    assert all(pause >= 100 for _, _, pause in refused)
    entries = controller.entries()
    for request, answer in answered:
        assert entries[answer.ledger_index]["request_id"] == request.request_id
    decided = {entry["request_id"] for entry in entries if entry["kind"] == "verdict"}
    assert not decided & {request.request_id for request, _, _ in refused}
    late = _as_told(lambda: agent.stub.RequestVerdict(refused[0][0], timeout=10))
    assert late.decision.verdict == transfer_pb2.VERDICT_ALLOW
