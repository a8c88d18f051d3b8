"""Splunk's HTTP Event Collector, by a stand-in that answers as Splunk documents it."""

from __future__ import annotations

import json

import pytest
from tests.controller.alerts.receivers import alerts
from tests.controller.alerts.web import WebServer

from lockgate.controller.alerts import splunk as module
from lockgate.controller.alerts.settings import Splunk
from lockgate.controller.alerts.sink import RejectedError, UnreachableError
from lockgate.controller.alerts.splunk import SplunkSink


class Collector:
    """Takes events; indexes them after so many questions."""

    def __init__(self, questions=1):
        self._left = questions
        self.events = []
        self.web = WebServer(self._answer)

    def _answer(self, request):
        assert request.headers["authorization"] == "Splunk test-token"
        assert request.headers["x-splunk-request-channel"]
        if request.path == "/services/collector/ack":
            self._left -= 1
            (ack,) = json.loads(request.body)["acks"]
            return 200, json.dumps({"acks": {str(ack): self._left < 0}}).encode()
        self.events += _events(request.body)
        return 200, b'{"text":"Success","code":0,"ackId":7}'


def _events(body):
    text, decoder = body.decode(), json.JSONDecoder()
    while text:
        event, end = decoder.raw_decode(text)
        yield event
        text = text[end:]


@pytest.fixture
def settings(tmp_path):
    """Settings for a port."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("test-token\n")
    return lambda port, **more: Splunk("siem", f"http://127.0.0.1:{port}", token, **more)


@pytest.fixture
def quick(monkeypatch):
    """Waits of a test's size."""
    monkeypatch.setattr(module, "_ACK_PAUSE_S", 0.01)


@pytest.fixture
def answering():
    """Makes a server whose answers are given."""
    made = []

    def make(status, content):
        made.append(WebServer(lambda _: (status, content)))
        return made[-1].port

    yield make
    for each in made:
        each.close()


def test_delivered_means_indexed(settings, quick):
    """The sink asks until the index has it; each event says its uid."""
    collector = Collector(questions=3)

    SplunkSink(settings(collector.web.port)).deliver(alerts(1, 4))
    collector.web.close()

    assert [e["fields"]["uid"] for e in collector.events] == [f"uid-{n}" for n in range(1, 5)]
    assert collector.events[0]["event"]["n"] == 1
    assert [r.path for r in collector.web.requests].count("/services/collector/ack") == 4


def test_what_is_never_indexed_is_not_delivered(settings, quick, monkeypatch):
    """It is tried again."""
    monkeypatch.setattr(module, "_ACK_PATIENCE_S", 0.3)
    collector = Collector(questions=10_000)

    with pytest.raises(UnreachableError, match="not indexed"):
        SplunkSink(settings(collector.web.port)).deliver(alerts(1, 1))
    collector.web.close()


def test_large_batches_are_parted(settings, quick):
    """No request is beyond what a collector takes."""
    collector = Collector(questions=-1)

    SplunkSink(settings(collector.web.port)).deliver(alerts(1, 10, pad="x" * 200_000))
    collector.web.close()

    sizes = [len(r.body) for r in collector.web.requests if r.path.endswith("/event")]
    assert len(sizes) > 1
    assert max(sizes) <= 1_000_000
    assert len(collector.events) == 10


def test_a_token_without_acknowledgement_must_be_set_so(settings, answering):
    """Else nothing would ever be known to be indexed; set so, it counts as unconfirmed."""
    port = answering(200, b'{"text":"Success","code":0}')

    with pytest.raises(UnreachableError, match="ack = false"):
        SplunkSink(settings(port)).deliver(alerts(1, 1))
    sink = SplunkSink(settings(port, ack=False))
    sink.deliver(alerts(1, 1))
    assert not sink.confirms


def test_an_event_that_splunk_names_as_invalid_is_refused(settings, answering):
    """Those before it are taken."""
    port = answering(400, b'{"text":"Invalid data format","code":6,"invalid-event-number":2}')
    batch = alerts(1, 5)

    with pytest.raises(RejectedError, match="Invalid data format") as caught:
        SplunkSink(settings(port)).deliver(batch)

    assert caught.value.alert is batch[2]


@pytest.mark.parametrize(
    ("status", "content"),
    [(403, b'{"text":"Invalid token","code":4}'), (503, b'{"text":"busy","code":9}'), (400, b"x")],
)
def test_other_answers_are_tried_again(status, content, settings, answering):
    """A wrong token, a full collector, nonsense."""
    with pytest.raises(UnreachableError, match=f"HTTP {status}"):
        SplunkSink(settings(answering(status, content))).deliver(alerts(1, 1))


def test_a_token_that_is_echoed_is_not_told(settings):
    """A receiver that shows what it got does not put the token into status and log."""
    web = WebServer(lambda request: (500, request.headers["authorization"].encode()))
    with pytest.raises(UnreachableError) as caught:
        SplunkSink(settings(web.port)).deliver(alerts(1, 1))
    web.close()
    assert "test-token" not in str(caught.value)


def test_an_answer_nested_without_end_is_a_failure_and_no_crash(settings):
    """Hostile JSON says nothing."""
    web = WebServer(lambda _: (200, b"[" * 60_000))
    with pytest.raises(UnreachableError, match="acknowledgement"):
        SplunkSink(settings(web.port)).deliver(alerts(1, 1))
    web.close()


def test_a_token_of_several_lines_is_refused_unquoted(settings, tmp_path):
    """It would break the request, and the error would quote it."""
    (tmp_path / "token").write_text("test-token\nsecond-line\n")
    with pytest.raises(UnreachableError) as caught:
        SplunkSink(settings(1)).deliver(alerts(1, 1))
    assert "second-line" not in str(caught.value)
    assert "one line" in str(caught.value)
