"""A stand-in for Splunk's HTTP Event Collector that can be killed.

Rules enforced here: what it acknowledges as indexed is in its file, and synced; ids of
acknowledgements that an earlier process gave mean nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Collector:
    """One receiver with a file, in a process of its own."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self.file = folder / "collected"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run it and wait until it listens."""
        command = [sys.executable, __file__, str(self._port), str(self.file)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "READY\n"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def events(self) -> Iterator[tuple[str, bool]]:
        """The uid of each event that it kept, in order, and whether it is marked as repeated."""
        text = self.file.read_text() if self.file.exists() else ""
        for line in text.rpartition("\n")[0].splitlines():
            fields = json.loads(line)["fields"]
            yield fields["uid"], fields["repeated"] == "possible"

    def uids(self) -> list[str]:
        """The uids of its events."""
        return [uid for uid, _ in self.events()]


def serve(port: int, path: Path) -> None:
    """Answer as Splunk documents it, until killed; a torn last line is cut off first."""
    whole = path.read_bytes().rpartition(b"\n") if path.exists() else (b"", b"", b"")
    path.write_bytes(whole[0] + whole[1])
    given: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = _indexed(body) if self.path.endswith("/ack") else _kept(body)
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing to the terminal."""

    def _kept(body: bytes) -> dict[str, object]:
        with path.open("ab") as file:
            file.writelines(json.dumps(event).encode() + b"\n" for event in _events(body.decode()))
            file.flush()
            os.fsync(file.fileno())
        given.append(time.monotonic_ns())
        return {"text": "Success", "code": 0, "ackId": given[-1]}

    def _indexed(body: bytes) -> dict[str, object]:
        return {"acks": {str(ack): ack in given for ack in json.loads(body)["acks"]}}

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    server.serve_forever()


def _events(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder()
    while text:
        event, end = decoder.raw_decode(text)
        yield event
        text = text[end:]


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
