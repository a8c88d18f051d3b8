r"""An alert as a syslog message (RFC 5424); pure functions.

Rules enforced here:

1. A message is ASCII: the header by the RFC, the OCSF event as JSON in ``\u`` escapes. So no
   receiver has to guess an encoding, and no line feed stands in it.
2. The structured data names the event's ``metadata.uid``, and says ``repeated="possible"`` when
   the alert may have been delivered before.

The SD-ID's enterprise number is the one kept for examples (RFC 5612): Lockgate has none yet.
"""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from typing import Any

from lockgate.controller.alerts.outbox import Alert

#: Facility 13: log audit (RFC 5424, table 1).
_FACILITY = 13
#: Syslog severities by OCSF severity_id: informational, notice, warning, error, critical.
_SEVERITIES = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}
_UNKNOWN_SEVERITY = 5
_SD_ID = "lockgate@32473"
_NIL = "-"
_LONGEST_HOST, _LONGEST_KIND = 255, 32


def message(alert: Alert, *, is_repeated: bool) -> bytes:
    """The alert as one message, without a frame."""
    event = json.loads(alert.event)
    priority = 8 * _FACILITY + _SEVERITIES.get(event.get("severity_id"), _UNKNOWN_SEVERITY)
    kind = _name(event.get("unmapped", {}).get("lockgate", {}).get("event", ""), _LONGEST_KIND)
    header = f"<{priority}>1 {_time(event)} {_host()} lockgate {_NIL} {kind}"
    text = json.dumps(event, separators=(",", ":"))
    return f"{header} {_structured(alert.uid, is_repeated=is_repeated)} {text}".encode("ascii")


def _structured(uid: str, *, is_repeated: bool) -> str:
    repeated = ' repeated="possible"' if is_repeated else ""
    return f'[{_SD_ID} uid="{_name(uid, 36)}"{repeated}]'


def _time(event: dict[str, Any]) -> str:
    millis = event.get("time")
    if not isinstance(millis, int):
        return _NIL
    moment = datetime.fromtimestamp(millis / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _host() -> str:
    return _name(socket.gethostname(), _LONGEST_HOST)


def _name(text: str, longest: int) -> str:
    """Printable ASCII without spaces and quotes, or the nil value."""
    return re.sub(r"[^!#-\[^-~]", "_", text)[:longest] or _NIL
