"""Alerts as signed webhooks, one request for each.

Rules enforced here:

1. A request carries the OCSF event, and the headers of Standard Webhooks (version 1.0.0,
   standardwebhooks.com): the event's uid, the time, and an HMAC-SHA256 over both and the body.
2. A status of success acknowledges. 400, 413, 415 and 422 refuse the alert for good; any other
   status is a receiver that is not well and is tried again.
3. ``lockgate-repeated: possible`` marks what may have been delivered before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from lockgate.controller.alerts.outbox import Alert
from lockgate.controller.alerts.posting import Answer, Poster, poster
from lockgate.controller.alerts.settings import Webhook, read_secret
from lockgate.controller.alerts.sink import RejectedError, Repeats, UnreachableError

#: Statuses that refuse a body for good.
REFUSED = frozenset({400, 413, 415, 422})
_PREFIX = "whsec_"


class WebhookSink:
    """Posts to one URL."""

    confirms = True

    def __init__(self, webhook: Webhook) -> None:
        self.name = f"webhook:{webhook.name}"
        self._webhook = webhook
        self._repeats = Repeats()

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Post one alert after the other."""
        repeated = self._repeats.among(batch)
        acknowledged: int | None = None
        try:
            secret = signing_secret(read_secret(self._webhook.secret_file))
            with poster(self._webhook.url, self._webhook.ca_file) as connection:
                for alert in batch:
                    self._post(connection, alert, secret, is_repeated=alert.id in repeated)
                    acknowledged = alert.id
        except UnreachableError as error:
            raise UnreachableError(str(error), acknowledged) from None

    def _post(self, connection: Poster, alert: Alert, secret: bytes, *, is_repeated: bool) -> None:
        url, body = self._webhook.url, alert.event.encode()
        answer = post_signed(connection, url, alert.uid, body, secret, is_repeated=is_repeated)
        if answer.status in REFUSED:
            raise RejectedError(alert, str(answer))
        if not answer.is_accepted:
            raise UnreachableError(str(answer))


def post_signed(
    connection: Poster, url: str, uid: str, body: bytes, secret: bytes, *, is_repeated: bool
) -> Answer:
    """Post a signed body to the path of ``url``; ``uid`` is the same in each repetition."""
    headers = signature(uid, int(time.time()), body, secret)
    if is_repeated:
        headers["lockgate-repeated"] = "possible"
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return connection.post(path, body, headers)


def signing_secret(text: str) -> bytes:
    """The key of a secret as Standard Webhooks writes it (``whsec_`` and base64), or as it is."""
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise UnreachableError("the webhook's secret is not base64 behind whsec_") from None


def signature(uid: str, seconds: int, body: bytes, secret: bytes) -> dict[str, str]:
    """The headers that name, date and sign a request."""
    signed = f"{uid}.{seconds}.".encode() + body
    digest = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{digest}",
    }
