"""Signed webhooks against a web server on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from tests.controller.alerts.receivers import Certificates, alerts
from tests.controller.alerts.web import WebServer

from lockgate.controller.alerts.settings import Webhook
from lockgate.controller.alerts.sink import RejectedError, UnreachableError
from lockgate.controller.alerts.webhook import WebhookSink

SECRET = b"a test secret of thirty bytes!"


@pytest.fixture
def secret_file(tmp_path):
    """The secret as Standard Webhooks writes it."""
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(f"whsec_{base64.b64encode(SECRET).decode()}\n")
    return path


@pytest.fixture
def server():
    """Makes a server with an answer."""
    made = []

    def make(answer, certificate=None):
        made.append(WebServer(answer, certificate))
        return made[-1]

    yield make
    for each in made:
        each.close()


def accepting(_request):
    """A healthy receiver."""
    return 204, b""


def test_each_alert_is_one_signed_request(server, secret_file):
    """Uid, time and body are under the signature; a receiver can check it with its secret."""
    running = server(accepting)
    batch = alerts(1, 3)

    WebhookSink(Webhook("x", f"http://127.0.0.1:{running.port}/in?a=b", secret_file)).deliver(batch)

    assert [r.body.decode() for r in running.requests] == [alert.event for alert in batch]
    for request, alert in zip(running.requests, batch, strict=True):
        uid, seconds = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        assert (request.path, uid) == ("/in?a=b", alert.uid)
        assert abs(time.time() - int(seconds)) < 60
        signed = f"{uid}.{seconds}.".encode() + request.body
        expected = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        assert request.headers["webhook-signature"] == f"v1,{expected}"


def test_only_what_may_have_come_before_is_marked(server, secret_file):
    """The first batch after a start, and what is sent again."""
    running = server(accepting)
    sink = WebhookSink(Webhook("x", f"http://127.0.0.1:{running.port}/", secret_file))
    for first, count in ((1, 1), (2, 2), (2, 1)):
        sink.deliver(alerts(first, count))

    marks = [r.headers.get("lockgate-repeated") for r in running.requests]
    assert marks == ["possible", None, None, "possible"]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 410, 429, 500, 503])
def test_a_receiver_that_is_not_well_is_tried_again(status, server, secret_file):
    """What it took before is told."""
    running = server(
        lambda r: (status, b"not now") if r.headers["webhook-id"] == "uid-3" else (200, b"")
    )
    sink = WebhookSink(Webhook("x", f"http://127.0.0.1:{running.port}/", secret_file))

    with pytest.raises(UnreachableError, match=f"HTTP {status}") as caught:
        sink.deliver(alerts(1, 5))

    assert caught.value.acknowledged == 2


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_alert_that_is_refused_is_a_dead_letter(status, server, secret_file):
    """The receiver will never take it, and says why."""
    running = server(lambda _r: (status, b"no such field"))
    sink = WebhookSink(Webhook("x", f"http://127.0.0.1:{running.port}/", secret_file))

    with pytest.raises(RejectedError, match="no such field"):
        sink.deliver(alerts(1, 2))


def test_https_needs_a_certificate_of_a_trusted_authority(server, secret_file, tmp_path):
    """With the authority's file it is trusted, without it is not."""
    certificates = Certificates(tmp_path)
    running = server(accepting, certificates.receiver)
    url = f"https://localhost:{running.port}/"

    WebhookSink(Webhook("x", url, secret_file, certificates.authority)).deliver(alerts(1, 1))
    with pytest.raises(UnreachableError, match="certificate"):
        WebhookSink(Webhook("x", url, secret_file)).deliver(alerts(1, 1))


def test_a_secret_that_others_may_read_is_not_used(server, secret_file):
    """Nothing is sent, and the status says what to do."""
    running = server(accepting)
    secret_file.chmod(0o644)

    with pytest.raises(UnreachableError, match="chmod 600"):
        WebhookSink(Webhook("x", f"http://127.0.0.1:{running.port}/", secret_file)).deliver(
            alerts(1, 1)
        )

    assert running.requests == []
