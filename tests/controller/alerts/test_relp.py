"""RELP against receivers that fail on demand, and its parser against any bytes."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.controller.alerts.receivers import alerts

from lockgate.controller.alerts import relp
from lockgate.controller.alerts.relp import RelpSink
from lockgate.controller.alerts.settings import Receiver
from lockgate.controller.alerts.sink import RejectedError, UnreachableError


class Scripted:
    """Answers each connection's frames as told; ``script(number, command)`` gives bytes or None.

    After None it says nothing more, and reads what still comes.
    """

    def __init__(self, script):
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection):
        received, is_over = b"", False
        while more := connection.recv(4096):
            received += more
            while found := relp.parse(received):
                frame, used = found
                received = received[used:]
                answer = self._script(frame.transaction, frame.command)
                if answer is None and not is_over:
                    connection.shutdown(socket.SHUT_WR)
                is_over = is_over or answer is None
                if not is_over:
                    connection.sendall(answer)

    def close(self):
        """Listen no more."""
        self._listener.close()


@pytest.fixture
def receiver():
    """Makes a receiver with a script, and the sink for it."""
    made = []

    def make(script):
        made.append(Scripted(script))
        return RelpSink(Receiver("test", "127.0.0.1", made[-1].port, tls=False))

    yield make
    for each in made:
        each.close()


def accepted(number, _command):
    """What a healthy receiver answers."""
    return b"%d rsp 6 200 OK\n" % number


def test_a_healthy_receiver_gets_everything(receiver):
    """More than one window."""
    seen = []

    def script(number, command):
        seen.append(command)
        return accepted(number, command)

    receiver(script).deliver(alerts(1, 300))

    assert seen.count(b"syslog") == 300


def test_what_was_acknowledged_before_a_break_is_told(receiver):
    """The receiver answers ten alerts and closes."""
    sink = receiver(lambda n, c: accepted(n, c) if n <= 11 else None)

    with pytest.raises(UnreachableError) as caught:
        sink.deliver(alerts(101, 50))

    assert caught.value.acknowledged == 110


def test_a_break_after_the_last_answer_is_no_failure(receiver):
    """Whatever happens to the farewell."""
    receiver(lambda n, c: accepted(n, c) if n <= 6 else None).deliver(alerts(1, 5))


def test_a_refused_alert_is_named(receiver):
    """All before it are delivered; it is never sent again."""

    def script(number, command):
        return b"%d rsp 9 500 Error\n" % number if number == 4 else accepted(number, command)

    batch = alerts(1, 9)
    with pytest.raises(RejectedError, match="500 Error") as caught:
        receiver(script).deliver(batch)

    assert caught.value.alert is batch[2]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"0 serverclose 0\n",
        b"2 rsp 6 200 OK\n",
        b"1 rsp 99999999 200 OK\n",
        b"1 rsp 6 200 OK!",
        b"1 rsp 18 500 not so quickly\n",
        b"1" * 100,
    ],
    ids=["http", "closing", "other-number", "too-long", "no-end", "refused", "no-frame"],
)
def test_what_is_no_relp_receiver_is_unreachable(answer, receiver):
    """A wrong port or a receiver that will not have us is tried again later, not trusted."""
    with pytest.raises(UnreachableError) as caught:
        receiver(lambda _n, _c: answer).deliver(alerts(1, 3))
    assert caught.value.acknowledged is None


def test_nobody_listening_is_unreachable():
    """The error names host and port."""
    with socket.socket() as held:  # so that nobody else takes it
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(UnreachableError, match=f"127.0.0.1 port {port}: Connection refused"):
            RelpSink(Receiver("test", "127.0.0.1", port, tls=False)).deliver(alerts(1, 1))


@given(number=st.integers(1, 999_999_999), data=st.binary(max_size=200), rest=st.binary(max_size=9))
def test_a_frame_is_parsed_wherever_it_is_cut(number, data, rest):
    """Nothing before it is whole; then frame and length, whatever follows."""
    frame = b"%d rsp %d" % (number, len(data)) + (b" " + data if data else b"") + b"\n"
    for cut in range(len(frame)):
        assert relp.parse(frame[:cut]) is None
    assert relp.parse(frame + rest) == (relp.Answer(number, b"rsp", data), len(frame))


@given(received=st.binary(max_size=100))
def test_the_parser_takes_any_bytes(received):
    """It finds a frame, waits, or gives up; never anything else."""
    with contextlib.suppress(UnreachableError):
        relp.parse(received)
