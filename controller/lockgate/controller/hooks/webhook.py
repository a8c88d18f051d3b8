"""Posting a run to a hook's URL, signed as alerts are.

Rules enforced here: the header ``webhook-id`` is the idempotency key of the run; the rest is ruled
by ``alerts.webhook``.
"""

from __future__ import annotations

from lockgate.controller.alerts.posting import poster
from lockgate.controller.alerts.settings import Webhook, read_secret
from lockgate.controller.alerts.sink import UnreachableError
from lockgate.controller.alerts.webhook import REFUSED, post_signed, signing_secret
from lockgate.controller.hooks.command import Outcome


def post(webhook: Webhook, uid: str, payload: bytes, *, is_repeated: bool) -> Outcome:
    """One attempt; blocks until the receiver has answered or its patience is over."""
    try:
        secret = signing_secret(read_secret(webhook.secret_file))
        with poster(webhook.url, webhook.ca_file) as connection:
            answer = post_signed(
                connection, webhook.url, uid, payload, secret, is_repeated=is_repeated
            )
    except UnreachableError as error:
        return Outcome(None, str(error))
    if answer.is_accepted:
        return Outcome(answer.status)
    return Outcome(answer.status, str(answer), final=answer.status in REFUSED)
