"""The agent's socket: what people and programs of this host ask it.

Rules enforced here:

1. A verb is for the agent's own user and root, nobody else (SO_PEERCRED, unix(7)). A session
   is for everybody: whoever serves it decides what the peer may have.
2. A question is one line of JSON ``{"verb": ..., ...}``; the other fields are the verb's
   arguments. The answer is one line of JSON. A session goes on with lines both ways, to
   which descriptors may be attached.
3. Each connection has a thread of its own, and only so many are taken: a client that is slow
   or wrong costs itself its connection, and strangers cannot take the places of root.
"""

from __future__ import annotations

import array
import contextlib
import inspect
import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lockgate.agent.guard.opener import start_ticks

SOCKET_NAME = "agent.sock"
_PATIENCE_S = 5.0
#: How long an asker waits: a host under a storm of opens is when it wants to know most.
_ASKING_S = 20.0
_MOST_BYTES = 64 << 20
_LONGEST_QUESTION = 16 << 10
_MOST_DESCRIPTORS = 4
#: Connections at once: of the agent's user and root, and of all others together.
_PLACES = {True: 64, False: 32}
_CREDENTIALS = struct.Struct("=iII")

Verb = Callable[..., Mapping[str, Any]]


class NoAgentError(Exception):
    """No agent answers on the socket; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected. ``start_ticks`` with the pid names one process; None: it is gone."""

    pid: int
    uid: int
    start_ticks: int | None

    @property
    def trusted(self) -> bool:
        """Whether it is root or the agent's own user."""
        return self.uid in {0, os.geteuid()}


class Line:
    """A connection on which both sides say lines of JSON, with descriptors attached.

    A descriptor belongs to the line it came with; those of a line that was not asked for
    are closed.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()
        self._descriptors: list[int] = []

    def say(self, message: Mapping[str, Any], descriptors: Iterable[int] = ()) -> None:
        """Send a line.

        Raises:
            OSError: the other side is gone, or does not read.
        """
        line = json.dumps(message, sort_keys=True).encode() + b"\n"
        sent = socket.send_fds(self._connection, [line], list(descriptors))
        if sent < len(line):  # sending nothing to a peer that has answered and left is EPIPE
            self._connection.sendall(line[sent:])

    def hear(self, most: int = _MOST_BYTES) -> dict[str, Any]:
        """The next line.

        Raises:
            EOFError: the other side has ended, or said something else than a line of JSON.
            OSError: it said nothing in time.
        """
        while b"\n" not in self._received:
            piece = self._piece()
            if not piece or len(self._received) > most:
                raise EOFError
            self._received += piece
        line, _, rest = self._received.partition(b"\n")
        self._received = rest
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError):
            raise EOFError from None

    def descriptor(self) -> int | None:
        """A descriptor that came with the last line; the caller closes it."""
        return self._descriptors.pop(0) if self._descriptors else None

    def wait_at_most(self, seconds: float | None) -> None:
        """How long :meth:`say` and :meth:`hear` may take; None: for ever."""
        self._connection.settimeout(seconds)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
        while (fd := self.descriptor()) is not None:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _piece(self) -> bytes:
        room = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
        piece, attached, _, _ = self._connection.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, raw in attached:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(raw[: len(raw) - len(raw) % numbers.itemsize])
                self._descriptors.extend(numbers)
        return piece


Session = Callable[[Line, Peer], None]


class ControlServer:
    """Answers from threads of its own."""

    def __init__(
        self,
        run_dir: Path,
        verbs: Mapping[str, Verb],
        sessions: Mapping[str, Session] | None = None,
    ) -> None:
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._verbs = dict(verbs)
        self._sessions = dict(sessions or {})
        self._taken: Counter[bool] = Counter()
        self._lock = threading.Lock()
        self._path = run_dir / SOCKET_NAME
        self._path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(self._path))
        self._path.chmod(0o666 if self._sessions else 0o600)
        run_dir.chmod(0o711 if self._sessions else 0o700)
        self._server.listen(64)
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
            peer = _peer_of(connection)
            if not self._take_place(peer):
                connection.close()
                continue
            threading.Thread(
                target=self._serve, args=(Line(connection), peer), name="control", daemon=True
            ).start()

    def _take_place(self, peer: Peer) -> bool:
        with self._lock:
            if self._taken[peer.trusted] >= _PLACES[peer.trusted]:
                return False
            self._taken[peer.trusted] += 1
            return True

    def _serve(self, line: Line, peer: Peer) -> None:
        try:
            with line, contextlib.suppress(OSError, EOFError):
                line.wait_at_most(_PATIENCE_S)
                question = line.hear(_LONGEST_QUESTION)
                session = self._sessions.get(str(question.get("verb")))
                if session is not None:
                    session(line, peer)
                else:
                    line.say(self._answer(question, peer))
        finally:
            with self._lock:
                self._taken[peer.trusted] -= 1

    def _answer(self, question: dict[str, Any], peer: Peer) -> Mapping[str, Any]:
        if not peer.trusted:
            return {"error": "only root may ask this"}
        verb = self._verbs.get(str(question.pop("verb", "")))
        if verb is None:
            return {"error": "unknown verb"}
        try:
            inspect.signature(verb).bind(**question)
        except TypeError:
            return {"error": "the verb takes other arguments"}
        return verb(**question)


def ask(run_dir: Path, verb: str, **arguments: Any) -> dict[str, Any]:
    """Ask the agent of ``run_dir``.

    Raises:
        NoAgentError: none answers.
    """
    with connect(run_dir) as line:
        try:
            line.say({"verb": verb, **arguments})
            return line.hear()
        except (OSError, EOFError) as error:
            raise _no_agent(run_dir, error) from None


def connect(run_dir: Path) -> Line:
    """A connection to the agent of ``run_dir``, for a session.

    Raises:
        NoAgentError: none is there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ASKING_S)
    try:
        connection.connect(str(run_dir / SOCKET_NAME))
    except OSError as error:
        connection.close()
        raise _no_agent(run_dir, error) from None
    return Line(connection)


def _no_agent(run_dir: Path, error: Exception) -> NoAgentError:
    why = error.strerror if isinstance(error, OSError) else None
    return NoAgentError(
        f"no agent answers at {run_dir / SOCKET_NAME} ({why or 'no answer'}); "
        "start one with `lockgate agent run`, or name its folder with --run-dir"
    )


def _peer_of(connection: socket.socket) -> Peer:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid, start_ticks(pid))
