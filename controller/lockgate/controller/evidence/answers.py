"""The questions put to the store: what both the service and the command on the state folder ask.

Rules enforced here:

1. A question has one implementation; whoever asks locally and whoever asks over the API get the
   same.
2. An answer is bounded: a longer one is refused, or shows less and says how much there is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from lockgate.controller.evidence import coverage, reading
from lockgate.controller.evidence.coverage import DAY, HostDay
from lockgate.controller.evidence.key import Asked, key_history
from lockgate.wire.bounds.ledger import MOST_HOST_DAYS

_MOST_BYTES = 3_500_000


class TooMuchError(ValueError):
    """The question asks for more than one answer may hold; the text says of what."""


def coverage_of(
    connection: Connection, hosts: Sequence[str], since: int, until: int
) -> list[HostDay]:
    """Every host of an inventory on every day of ``[since, until)`` (micros).

    Raises:
        TooMuchError: too many hosts and days.
    """
    if until <= since:
        raise TooMuchError("since: not before until")
    if len(hosts) * ((until - since) // DAY + 2) > MOST_HOST_DAYS:
        raise TooMuchError(f"hosts and days: more than {MOST_HOST_DAYS} together")
    return [
        day
        for host in dict.fromkeys(hosts)
        for day in coverage.days(host, reading.facts_of_host(connection, host, until), since, until)
    ]


def key_answer(connection: Connection, asked: Asked) -> bytes:
    """The history of a key as JSON; lists are shortened until it fits into a message.

    Raises:
        UnknownKeyError: nothing is known by that fingerprint or name.
        TooMuchError: it fits in no way.
    """
    while True:
        raw = json.dumps(key_history(connection, asked), ensure_ascii=False).encode()
        if len(raw) <= _MOST_BYTES:
            return raw
        if asked.limit <= 1:
            raise TooMuchError("limit: the answer is too long; ask for a shorter time")
        asked = replace(asked, limit=asked.limit // 2)
