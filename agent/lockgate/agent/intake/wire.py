"""What programs of this host say to the intake: one message and one answer, over its socket.

Rules enforced here: a message is one JSON object of one packet, with descriptors beside it;
whatever else comes is answered with nothing.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HANDOVER_NAME = "intake.sock"
_MOST_BYTES = 4096
_MOST_FDS = 2
_PATIENCE_S = 2.0


def encode(message: Mapping[str, Any]) -> bytes:
    """The message as it goes over the socket."""
    return json.dumps(message).encode("ascii")


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A message and its descriptors; an empty message: what came is none.

    Raises:
        OSError: nothing came in time.
    """
    raw, fds, _, _ = socket.recv_fds(connection, _MOST_BYTES, _MOST_FDS)
    try:
        message = json.loads(raw)
    except ValueError:
        message = {}
    return (message if isinstance(message, dict) else {}), fds


def ask(run_dir: Path, verb: str, pid: int = 0) -> str:
    """What the intake answers; empty: none is there, or it hangs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(_PATIENCE_S)
        try:
            connection.connect(str(run_dir / HANDOVER_NAME))
            connection.send(encode({"verb": verb, "pid": pid}))
            return connection.recv(64).decode("ascii", "replace")
        except OSError:
            return ""
