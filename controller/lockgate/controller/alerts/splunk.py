"""Alerts to Splunk's HTTP Event Collector, acknowledged by its indexers.

Rules enforced here:

1. HTTP 200 says that Splunk has taken the events, not that it has indexed them: an alert is
   delivered when its ackId is true. A token without indexer acknowledgement (Splunk Cloud) must
   be set so (``ack = false``), and then counts as unconfirmed.
2. Requests stay below :data:`_MOST_BYTES`. An event that Splunk names as invalid is refused for
   good; any other failure is tried again. The token is shown to nobody, also where it is echoed.

Written to Splunk's documentation ("Format events for HTTP Event Collector", "HTTP Event
Collector indexer acknowledgment"); tried against a stand-in that answers as documented, not
against Splunk.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from lockgate.controller.alerts.outbox import Alert
from lockgate.controller.alerts.posting import Answer, Poster, poster
from lockgate.controller.alerts.settings import Splunk, read_secret
from lockgate.controller.alerts.sink import RejectedError, Repeats, UnreachableError

_EVENTS, _ACKS = "/services/collector/event", "/services/collector/ack"
#: Below the least limit in use, 1 MB.
_MOST_BYTES = 800_000
_ACK_PATIENCE_S, _ACK_PAUSE_S = 60.0, 0.5


class SplunkSink:
    """Posts to one collector."""

    def __init__(self, splunk: Splunk) -> None:
        self.name = f"splunk:{splunk.name}"
        self.confirms = splunk.ack
        self._splunk = splunk
        self._repeats = Repeats()
        self._channel = str(uuid.uuid4())

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Post in large requests, and wait for the index."""
        repeated = self._repeats.among(batch)
        acknowledged: int | None = None
        try:
            with poster(self._splunk.url, self._splunk.ca_file) as connection:
                for part in _parts(batch, repeated):
                    self._index(connection, part)
                    acknowledged = part[-1][0].id
        except UnreachableError as error:
            raise UnreachableError(str(error), acknowledged) from None

    def _index(self, connection: Poster, part: list[tuple[Alert, bytes]]) -> None:
        headers = self._headers()
        answer = connection.post(_EVENTS, b"".join(body for _, body in part), headers)
        said = _json(answer)
        reason = str(answer).replace(headers["Authorization"].partition(" ")[2], "(token)")
        if answer.status == 400 and isinstance(number := said.get("invalid-event-number"), int):
            raise RejectedError(part[min(max(number, 0), len(part) - 1)][0], reason)
        if answer.status == 413 and len(part) == 1:
            raise RejectedError(part[0][0], reason)
        if not answer.is_accepted:
            raise UnreachableError(reason)
        if self._splunk.ack:
            self._await(connection, said.get("ackId"), headers)

    def _await(self, connection: Poster, ack_id: object, headers: dict[str, str]) -> None:
        if not isinstance(ack_id, int):
            raise UnreachableError(
                "the token has no indexer acknowledgement; enable it, or set ack = false"
            )
        end = time.monotonic() + _ACK_PATIENCE_S
        body = json.dumps({"acks": [ack_id]}).encode()
        while time.monotonic() < end:
            answer = connection.post(_ACKS, body, headers)
            acks = _json(answer).get("acks")
            if answer.is_accepted and isinstance(acks, dict) and acks.get(str(ack_id)) is True:
                return
            time.sleep(_ACK_PAUSE_S)
        raise UnreachableError(f"not indexed within {_ACK_PATIENCE_S:.0f} s")

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Splunk {read_secret(self._splunk.token_file)}",
            "X-Splunk-Request-Channel": self._channel,
        }


def _parts(batch: Sequence[Alert], repeated: frozenset[int]) -> Iterator[list[tuple[Alert, bytes]]]:
    """Alerts with what is sent of each, as many as one request may hold."""
    part: list[tuple[Alert, bytes]] = []
    size = 0
    for alert in batch:
        body = _body(alert, is_repeated=alert.id in repeated)
        if part and size + len(body) > _MOST_BYTES:
            yield part
            part, size = [], 0
        part.append((alert, body))
        size += len(body)
    if part:
        yield part


def _body(alert: Alert, *, is_repeated: bool) -> bytes:
    event = json.loads(alert.event)
    sent: dict[str, Any] = {"source": "lockgate", "sourcetype": "lockgate:ocsf", "event": event}
    if isinstance(millis := event.get("time"), int):
        sent["time"] = f"{millis / 1000:.3f}"
    sent["fields"] = {"uid": alert.uid, "repeated": "possible" if is_repeated else "no"}
    return json.dumps(sent, separators=(",", ":")).encode()


def _json(answer: Answer) -> dict[str, Any]:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
