"""Counters for Prometheus, in its text form (exposition format 0.0.4), and health, on loopback.

Rules enforced here:

1. Names are ``lockgate_<noun>_<unit>[_total]``; labels are closed lists.
2. Only loopback addresses are served: metrics name zones.
3. ``/healthz`` says that the agent runs, ``/readyz`` whether its zones are guarded.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. ``name`` ending in ``_total`` is a counter, else a gauge."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def render(samples: Iterable[Sample]) -> str:
    """The text of all samples, those of one name together."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines: list[str] = []
    for name, group in sorted(by_name.items()):
        lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
        lines += [f"{name}{_labels(s.labels)} {_number(s.value)}" for s in group]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in labels) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP answer: ``status`` 200, or 503 for what is not well."""

    status: int
    text: str


class MetricsServer:
    """Serves ``pages`` by path, each made when it is asked for, from threads of its own.

    Raises:
        ValueError: ``listen`` is not ``ADDRESS:PORT`` on loopback.
        OSError: the port is taken.
    """

    def __init__(self, listen: str, pages: Mapping[str, Callable[[], Page]]) -> None:
        host, _, port = listen.rpartition(":")
        if not ipaddress.ip_address(host.strip("[]")).is_loopback:
            raise ValueError(f"metrics_listen: {listen}: not a loopback address")
        self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _answering(pages))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    @property
    def port(self) -> int:
        """The port that is served."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _answering(pages: Mapping[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in pages:
                self.send_error(404)
                return
            page = pages[self.path]()
            body = page.text.encode()
            self.send_response(page.status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: requests of a scraper are no news."""

    return Answering
