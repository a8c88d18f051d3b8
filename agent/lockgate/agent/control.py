"""The agent's socket: status for people and programs on this host.

Rules enforced here:

1. The socket answers its own user and root, nobody else (SO_PEERCRED, unix(7)).
2. A question is one line of JSON ``{"verb": ...}``, the answer is one line of JSON. A client
   that is slow or wrong costs itself its connection and nobody else anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SOCKET_NAME = "agent.sock"
_PATIENCE_S = 5.0
_MOST_BYTES = 64 << 20
_CREDENTIALS = struct.Struct("=iII")

Verb = Callable[[], Mapping[str, Any]]


class NoAgentError(Exception):
    """No agent answers on the socket; the text says what to do."""


class ControlServer:
    """Answers from a thread of its own."""

    def __init__(self, run_dir: Path, verbs: Mapping[str, Verb]) -> None:
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._verbs = dict(verbs)
        self._path = run_dir / SOCKET_NAME
        self._path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(self._path))
        self._path.chmod(0o600)
        self._server.listen(8)
        threading.Thread(target=self._run, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_PATIENCE_S)
                if _may_ask(connection):
                    connection.sendall(self._answer(_line(connection, 4096)))

    def _answer(self, line: bytes) -> bytes:
        try:
            verb = self._verbs[json.loads(line)["verb"]]
        except (ValueError, KeyError, TypeError):
            return b'{"error": "unknown verb"}\n'
        return json.dumps(verb(), sort_keys=True).encode() + b"\n"


def ask(run_dir: Path, verb: str) -> dict[str, Any]:
    """Ask the agent of ``run_dir``.

    Raises:
        NoAgentError: none answers.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE_S)
        try:
            connection.connect(str(run_dir / SOCKET_NAME))
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            return dict(json.loads(_line(connection, _MOST_BYTES)))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            raise NoAgentError(
                f"no agent answers at {run_dir / SOCKET_NAME} ({why or 'no answer'}); "
                "start one with `lockgate agent run`, or name its folder with --run-dir"
            ) from None


def _line(connection: socket.socket, most: int) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n") and len(received) < most:
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return bytes(received)


def _may_ask(connection: socket.socket) -> bool:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(raw)[1] in {0, os.geteuid()}
