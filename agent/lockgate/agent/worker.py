"""The scan worker: one unprivileged process that looks at hostile bytes.

Rules enforced here:

1. Everything is imported and the rules are compiled first; then the process gives up its
   user, its network and its limits; only then it asks for work.
2. A file is known by the descriptor it came with and by nothing else; the descriptor is
   closed before the report goes out.
3. Whatever goes wrong in a scan ends the process, and nothing about it is printed: an
   exception text may hold bytes of the file. The pool makes it a gap ``worker-lost``.

Started by :mod:`lockgate.agent.workers` as ``python -m lockgate.agent.worker`` with one end of
a socket pair; answers one job at a time.
"""

from __future__ import annotations

import argparse
import array
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from lockgate.agent.confine import confine_worker, worker_account
from lockgate.agent.framing import Inbox, encode
from lockgate.scan.report import Report, report_to_json

_READ_BYTES = 1 << 16
_DESCRIPTORS = 4


class Scanner(Protocol):
    """What scans."""

    def scan_fd(self, fd: int, name: str) -> Report:
        """Look at an open file; ``name`` is for the report."""
        ...


def serve(sock: socket.socket, scanner: Scanner) -> None:
    """Answer jobs until the agent closes its end."""
    sock.sendall(encode({"ready": True}))
    inbox = Inbox()
    descriptors: list[int] = []
    while True:
        piece = _receive(sock, descriptors)
        if not piece:
            return
        for message in inbox.feed(piece):
            fd = descriptors.pop(0)
            try:
                report = scanner.scan_fd(fd, str(message["path"]))
            finally:
                os.close(fd)
            sock.sendall(encode({"job": message["job"], "report": report_to_json(report)}))


def _receive(sock: socket.socket, descriptors: list[int]) -> bytes:
    room = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
    piece, ancillary, _, _ = sock.recvmsg(_READ_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers = array.array("i")
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
            descriptors.extend(numbers)
    return piece


def start(arguments: argparse.Namespace, make_scanner: Callable[[], Scanner]) -> None:
    """Make the scanner, drop all rights, then serve."""
    sock = socket.socket(fileno=arguments.socket)
    scanner = make_scanner()
    account = worker_account() if os.geteuid() == 0 else None
    confine_worker(account, arguments.memory, arguments.parent)
    serve(sock, scanner)


def options(argv: Sequence[str]) -> argparse.Namespace:
    """The command line of a worker; written by the pool, not by people."""
    parser = argparse.ArgumentParser(prog="lockgate-worker")
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--registry", type=Path, action="append", default=[])
    return parser.parse_args(argv)


def main() -> int:
    """Run until the agent goes away; 1 when something went wrong."""
    arguments = options(sys.argv[1:])
    try:
        start(arguments, lambda: _standard_scanner(arguments))
    except Exception as error:  # noqa: BLE001 - rule 3: the kind of fault is all that may be said
        sys.stderr.write(f"lockgate worker ended: {type(error).__name__}\n")
        return 1
    return 0


def _standard_scanner(arguments: argparse.Namespace) -> Scanner:
    from lockgate.formats.scanner import standard_scanner
    from lockgate.scan.limits import Profile
    from lockgate.scan.registry import Registry

    return standard_scanner(Registry.load(arguments.registry), profile=Profile(arguments.profile))


if __name__ == "__main__":
    sys.exit(main())
