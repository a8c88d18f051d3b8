"""The protocol between a service and pid 1: sd_notify(3) and sd_listen_fds(3).

Rules enforced here:

1. Without a service manager every call does nothing.
2. A descriptor that pid 1 keeps outlives every process of ours. It is given under a name, and
   taken out of the store when the guard is taken off: else opens would wait for nobody.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

GROUP_NAME = "lockgate-group"
PIN_NAME = "lockgate-pin"
_FIRST = 3  # SD_LISTEN_FDS_START
_MOST = 64


def notify(*lines: str, fds: Sequence[int] = ()) -> bool:
    """Tell the service manager ``lines`` such as ``READY=1``; False when there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        target = "\0" + address[1:] if address.startswith("@") else address
        connection.settimeout(1.0)
        connection.connect(target)
        connection.sendmsg(["\n".join(lines).encode()], rights)
        return True
    return False


def store(name: str, fds: Sequence[int]) -> bool:
    """Have pid 1 keep ``fds`` under ``name`` for the next start of this service.

    Without polling, because a descriptor of O_PATH cannot be polled.
    """
    return all(
        notify("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", fds=fds[at : at + _MOST])
        for at in range(0, len(fds), _MOST)
    )


def forget(name: str) -> None:
    """Have pid 1 close what it keeps under ``name``."""
    notify("FDSTOREREMOVE=1", f"FDNAME={name}")


def received() -> dict[str, list[int]]:
    """The descriptors that pid 1 started this process with, by name; only the first call."""
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    count, pid = os.environ.pop("LISTEN_FDS", ""), os.environ.pop("LISTEN_PID", "")
    found: dict[str, list[int]] = {}
    if pid != str(os.getpid()) or not count.isdecimal():
        return found
    for number in range(int(count)):
        fd = _FIRST + number
        os.set_inheritable(fd, False)  # noqa: FBT003 - the name is the standard library's
        found.setdefault(names[number] if number < len(names) else "", []).append(fd)
    return found
