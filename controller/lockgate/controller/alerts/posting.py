"""POST requests to receivers of alerts.

Rules enforced here:

1. A receiver off this host is reached by HTTPS only, as in :mod:`.transport`; redirects are not
   followed, proxies not used.
2. One connection serves one batch. Whatever goes wrong on it is an :class:`UnreachableError`.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lockgate.controller.alerts.sink import UnreachableError
from lockgate.controller.alerts.transport import PATIENCE_S, tls_context

_LONGEST_ANSWER = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes

    @property
    def is_accepted(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        text = self.body[:200].decode("utf-8", "replace").strip()
        return f"HTTP {self.status}" + (f": {text!r}" if text else "")


class Poster:
    """Posts over one connection."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request and read its answer."""
        sent = {"Content-Type": "application/json", "User-Agent": "lockgate", **headers}
        self._connection.request("POST", path, body, sent)
        response = self._connection.getresponse()
        content = response.read(_LONGEST_ANSWER + 1)
        if len(content) > _LONGEST_ANSWER:
            raise UnreachableError("the answer is too long")
        return Answer(response.status, content)


@contextmanager
def poster(url: str, ca_file: Path | None) -> Iterator[Poster]:
    """A connection to the receiver of ``url``; ``ca_file`` replaces the system's authorities.

    Raises:
        UnreachableError: see the rules of this module.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPConnection(host, parts.port, timeout=PATIENCE_S)
        if parts.scheme != "https"
        else http.client.HTTPSConnection(
            host, parts.port, timeout=PATIENCE_S, context=tls_context(ca_file)
        )
    )
    try:
        yield Poster(connection)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreachableError(f"{parts.netloc}: {reason}") from None
    finally:
        connection.close()
