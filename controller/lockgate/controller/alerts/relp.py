"""Alerts over RELP, the protocol with which rsyslog acknowledges each message.

Rules enforced here:

1. An alert is delivered when the receiver has answered its transaction with 200. Answers come
   in the order of the transactions; up to :data:`_WINDOW` may be on their way.
2. A connection serves one batch: it is opened, filled, and closed by the protocol's ``close``.
3. What is acknowledged before a connection breaks is not sent again.

Source: "RELP - The Reliable Event Logging Protocol", version 1 (rsyslog.com/doc/relp.html).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.controller.alerts import rfc5424
from lockgate.controller.alerts.outbox import Alert
from lockgate.controller.alerts.settings import Receiver
from lockgate.controller.alerts.sink import RejectedError, Repeats, UnreachableError
from lockgate.controller.alerts.transport import connected

_WINDOW = 128
_OFFER = b"relp_version=0\nrelp_software=lockgate\ncommands=syslog"
#: ``TXNR COMMAND DATALEN``: a frame up to its data (section "RELP frame").
_HEADER = re.compile(rb"(\d{1,9}) ([a-z]{1,32}) (\d{1,9})(?=[ \n])")
_LONGEST_HEADER = 64
_LONGEST_ANSWER = 1 << 16
_ACCEPTED = b"200"


@dataclass(frozen=True, slots=True)
class Answer:
    """One frame of the receiver."""

    transaction: int
    command: bytes
    data: bytes


class RelpSink:
    """Delivers to one RELP receiver."""

    confirms = True

    def __init__(self, receiver: Receiver) -> None:
        self.name = f"relp:{receiver.name}"
        self._receiver = receiver
        self._repeats = Repeats()

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Send everything and wait for every answer."""
        repeated = self._repeats.among(batch)
        acknowledged: list[Alert] = []
        receiver = self._receiver
        try:
            with connected(receiver.host, receiver.port, receiver.tls_context()) as connection:
                _exchange(_Session(connection), batch, repeated, acknowledged)
        except UnreachableError as error:
            if len(acknowledged) == len(batch):
                return  # what broke was the farewell
            last = acknowledged[-1].id if acknowledged else None
            raise UnreachableError(str(error), last) from None


def _exchange(
    session: _Session,
    batch: Sequence[Alert],
    repeated: frozenset[int],
    acknowledged: list[Alert],
) -> None:
    """One session; ``acknowledged`` grows as answers come."""
    session.open()
    for sent, alert in enumerate(batch, 1):
        session.send(b"syslog", rfc5424.message(alert, is_repeated=alert.id in repeated))
        if sent - len(acknowledged) >= _WINDOW:
            _take_answer(session, batch, acknowledged)
    while len(acknowledged) < len(batch):
        _take_answer(session, batch, acknowledged)
    session.send(b"close", b"")


def _take_answer(session: _Session, batch: Sequence[Alert], acknowledged: list[Alert]) -> None:
    alert, code = batch[len(acknowledged)], session.answer()
    if not code.startswith(_ACCEPTED):
        raise RejectedError(alert, f"the receiver answered {code[:80].decode('ascii', 'replace')}")
    acknowledged.append(alert)


class _Session:
    """Frames over one connection; transactions are numbered from 1."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._sent = 0
        self._answered = 0

    def open(self) -> None:
        """Agree on the protocol.

        Raises:
            UnreachableError: the receiver does not take syslog messages.
        """
        self.send(b"open", _OFFER)
        code = self.answer()
        if not code.startswith(_ACCEPTED):
            raise UnreachableError(f"RELP refused: {code[:80].decode('ascii', 'replace')}")

    def send(self, command: bytes, data: bytes) -> None:
        self._sent += 1
        head = b"%d %s %d" % (self._sent, command, len(data))
        self._connection.sendall(head + (b" " + data if data else b"") + b"\n")

    def answer(self) -> bytes:
        """Code and text of the answer to the next transaction.

        Raises:
            UnreachableError: the receiver ends the session, or does not keep to the protocol.
        """
        while (found := parse(self._received)) is None:
            more = self._connection.recv(_LONGEST_ANSWER)
            if not more:
                raise UnreachableError("the receiver closed the connection")
            self._received += more
        answer, used = found
        self._received = self._received[used:]
        self._answered += 1
        if answer.command != b"rsp" or answer.transaction != self._answered:
            raise UnreachableError("the receiver ended the session")
        return answer.data


def parse(received: bytes) -> tuple[Answer, int] | None:
    """The first frame and its length, None while it is not all there.

    Raises:
        UnreachableError: what was received is no frame.
    """
    header = _HEADER.match(received)
    if header is None:
        if len(received) >= _LONGEST_HEADER or (received and not received[:1].isdigit()):
            raise UnreachableError("the receiver does not speak RELP")
        return None
    size, first = int(header[3]), header.end()
    if size > _LONGEST_ANSWER:
        raise UnreachableError("the receiver's answer is too long")
    data_at = first + 1 if size else first
    end = data_at + size
    if len(received) <= end:
        return None
    if received[end : end + 1] != b"\n" or (size and received[first : first + 1] != b" "):
        raise UnreachableError("the receiver does not speak RELP")
    return Answer(int(header[1]), header[2], received[data_at:end]), end + 1
