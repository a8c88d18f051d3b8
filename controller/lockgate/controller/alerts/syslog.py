"""Alerts as syslog over TLS (RFC 5425): sent, and confirmed by nobody.

Rules enforced here:

1. Syslog has no acknowledgement; what a receiver loses when it dies is not known here, so that
   this destination never counts as confirmed. RELP is the one to use where it matters.
2. Messages are counted in octets (RFC 5425, section 4.3), so that none can be split or joined.
3. A connection is closed by TLS's own farewell: without it a receiver may drop what it has not
   read yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.controller.alerts import rfc5424
from lockgate.controller.alerts.outbox import Alert
from lockgate.controller.alerts.settings import Receiver
from lockgate.controller.alerts.sink import Repeats
from lockgate.controller.alerts.transport import connected


class SyslogSink:
    """Sends to one syslog receiver."""

    confirms = False

    def __init__(self, receiver: Receiver) -> None:
        self.name = f"syslog:{receiver.name}"
        self._receiver = receiver
        self._repeats = Repeats()

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Send everything.

        Raises:
            UnreachableError: the connection broke; none of the batch counts as sent.
        """
        repeated = self._repeats.among(batch)
        messages = (rfc5424.message(alert, is_repeated=alert.id in repeated) for alert in batch)
        framed = b"".join(b"%d %s" % (len(message), message) for message in messages)
        receiver = self._receiver
        with connected(receiver.host, receiver.port, receiver.tls_context()) as connection:
            connection.sendall(framed)
