"""The far end of the ssh connection that a process was started over.

Rules enforced here:

1. Only a root process that runs sshd is asked, and only for its own socket: what stands in
   the environment of the user's processes (SSH_CONNECTION) the user can write.
2. The answer is kept for the life of that sshd: a connection does not change, and the list
   of all connections of a busy host is long.
3. What cannot be read is absent; nothing here raises.

Since OpenSSH 9.8 the process of one connection is ``sshd-session``; before, ``sshd``.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from functools import lru_cache

from lockgate.scan.names import escape_name

_PROGRAMS = frozenset({"sshd", "sshd-session"})
_ESTABLISHED = "01"
_MOST_BYTES = 8 << 20
_SOCKET = "socket:["


def is_sshd(executable: str, uids: tuple[int, ...]) -> bool:
    """Whether a process is a root's sshd. ``uids``: real, effective, saved, filesystem."""
    return executable.rpartition("/")[2] in _PROGRAMS and set(uids) == {0}


@lru_cache(maxsize=1024)
def peer_of(pid: int, start_ticks: int) -> str:
    """ADDRESS:PORT at the far end of the connection that sshd ``pid`` serves, else empty.

    ``start_ticks`` tells this process from another that gets the same pid later.
    """
    del start_ticks  # part of the name only
    connected = connections_of(pid)
    return next((connected[i] for i in sockets_of(pid) if i in connected), "")


def parse_connections(text: str) -> dict[str, str]:
    """Inode -> far end of the established connections in /proc/net/tcp or tcp6 (proc_pid_net(5)).

    Addresses are 32-bit words in the byte order of the machine, ports are hexadecimal.
    """
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[3] == _ESTABLISHED and fields[9] != "0":
            try:
                found[fields[9]] = _endpoint(fields[2])
            except ValueError:
                continue
    return found


def _endpoint(words: str) -> str:
    digits, _, port = words.partition(":")
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(raw)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    host = f"[{address}]" if address.version == 6 else str(address)
    return escape_name(f"{host}:{int(port, 16)}")


def connections_of(pid: int) -> dict[str, str]:
    """The established connections of a process's network namespace: inode -> far end."""
    found = {}
    for family in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{family}", encoding="ascii") as source:
                found.update(parse_connections(source.read(_MOST_BYTES)))
        except (OSError, ValueError):
            continue
    return found


def sockets_of(pid: int) -> list[str]:
    """The inodes of a process's sockets, lowest descriptor first: sshd is given its own first."""
    found: list[str] = []
    try:
        numbers = sorted(map(int, os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208 - names only
    except (OSError, ValueError):
        return found
    for number in numbers:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")  # noqa: PTH115 - it leads nowhere
        except OSError:
            continue
        if target.startswith(_SOCKET):
            found.append(target[len(_SOCKET) : -1])
    return found
