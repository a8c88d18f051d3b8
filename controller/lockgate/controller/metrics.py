"""Prometheus metrics on loopback, in the text exposition format 0.0.4.

Rules enforced here:

1. Names are ``lockgate_<noun>_<unit>[_total]``; every name is declared once, below.
2. Counters count since the start of the process; a counter of something that must never be
   lost is the ledger's business, not a metric's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from lockgate.controller.alerts import outbox

_COUNTERS = {
    "lockgate_verdicts_total": ("verdict", "Decisions made."),
    "lockgate_receipts_total": ("enforcement", "Receipts of enforcement."),
    "lockgate_guard_changes_total": ("change", "Guards put on or off, blind or recovered."),
    "lockgate_canaries_total": ("host", "Canaries that scans have found."),
    "lockgate_refusals_total": ("reason", "Calls refused."),
}
_REQUEST_LIMIT = 8192
_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts since the start, by metric and label value. Used by one thread only."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, name: str, label: str) -> None:
        """Count one; ``name`` must be declared."""
        if name not in _COUNTERS:
            raise KeyError(name)
        self.counts[name, label] += 1


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from; ``waiting`` reads the writer's queue."""

    tally: Tally
    reader: Engine
    waiting: Callable[[], int]


def render(sources: Sources) -> str:
    """All metrics as text."""
    return "".join(f"{line}\n" for line in _lines(sources))


def _lines(sources: Sources) -> Iterator[str]:
    counts = dict(sources.tally.counts)
    for name, (label, text) in _COUNTERS.items():
        yield from _family(name, "counter", text)
        for (counted, value), count in sorted(counts.items()):
            if counted == name:
                yield f'{name}{{{label}="{value}"}} {count}'
    yield from _family("lockgate_writes_waiting", "gauge", "Units of work not yet committed.")
    yield f"lockgate_writes_waiting {sources.waiting()}"
    yield from _family("lockgate_alerts_waiting", "gauge", "Alerts not yet delivered.")
    with suppress(DBAPIError), sources.reader.connect() as connection:
        for row in outbox.status(connection):
            waiting = row["newest"] - row["cursor"]
            yield f'lockgate_alerts_waiting{{destination="{row["name"]}"}} {waiting}'


def _family(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


async def serve(sources: Sources, port: int) -> asyncio.Server:
    """Serve ``/metrics`` on loopback."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _TIMEOUT)
            known = request.startswith(b"GET /metrics ")
            body = (await asyncio.to_thread(render, sources) if known else "not found\n").encode()
            status = b"200 OK" if known else b"404 Not Found"
            head = b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain; version=0.0.4\r\n"
            length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            writer.write(head + length + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError):
            pass  # whoever does not finish a request gets no answer
        finally:
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port, limit=_REQUEST_LIMIT)
