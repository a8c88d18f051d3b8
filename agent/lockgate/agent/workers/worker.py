"""The scan worker: one unprivileged process that looks at hostile bytes.

Rules enforced here:

1. Everything is imported and the rules are compiled first, proved by finding a fresh key in a
   rehearsal; then the process gives up its user, its network and its limits; only then it
   asks for work. What a library would import later, the worker's user may not be able to
   read. Rules that do not load or do not find end the process with ``RULES_FAILED``.
2. A file is known by the descriptor it came with and by nothing else; the descriptor is
   closed before the report goes out.
3. Whatever goes wrong in a scan ends the process, and nothing about it is printed: an
   exception text may hold bytes of the file. The pool makes it a gap ``worker-lost``.

Started by :mod:`lockgate.agent.workers.pool` as ``python -m lockgate.agent.workers.worker`` with
one end of a socket pair; answers one job at a time.
"""

from __future__ import annotations

import argparse
import array
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias

from lockgate.agent.workers.confine import confine_worker
from lockgate.agent.workers.framing import Inbox, encode
from lockgate.agent.workers.settings import Account
from lockgate.scan.report import Report, report_to_json

_READ_BYTES = 1 << 16
_DESCRIPTORS = 4
_TELL_S = 0.25
#: Exit status of a worker whose rules do not load, or do not find the key of the rehearsal.
RULES_FAILED = 3
#: Bytes behind the key of a rehearsal.
_REHEARSED_NOISE = 4096


#: Told the bytes read so far, and the bytes in all.
Told: TypeAlias = Callable[[int, int], None]


class RulesError(Exception):
    """The rules do not load, or do not find what they must find."""


class Scanner(Protocol):
    """What scans."""

    def scan_fd(
        self, fd: int, name: str, *, progress: Told | None = None, follow: bool = False
    ) -> Report:
        """Look at an open file; ``name`` is for the report, ``progress`` hears of its bytes."""
        ...


def serve(sock: socket.socket, scanner: Scanner, missing: Sequence[str] = ()) -> None:
    """Answer jobs until the agent closes its end; ``missing`` is what confinement lacks."""
    sock.sendall(encode({"ready": True, "missing": list(missing)}))
    inbox = Inbox()
    descriptors: list[int] = []
    while True:
        piece = _receive(sock, descriptors)
        if not piece:
            return
        for message in inbox.feed(piece):
            fd, job = descriptors.pop(0), message["job"]
            try:
                report = scanner.scan_fd(
                    fd,
                    str(message["path"]),
                    progress=teller(sock, job),
                    follow=message["follow"] is True,
                )
            finally:
                os.close(fd)
            sock.sendall(encode({"job": job, "report": report_to_json(report)}))


def teller(sock: socket.socket, job: object) -> Told:
    """Tells the pool now and then how far a job is; a short one says nothing."""
    last = time.monotonic()

    def tell(done: int, _size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL_S:
            last = now
            sock.sendall(encode({"job": job, "done": done}))

    return tell


def _receive(sock: socket.socket, descriptors: list[int]) -> bytes:
    room = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
    piece, ancillary, _, _ = sock.recvmsg(_READ_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers = array.array("i")
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
            descriptors.extend(numbers)
    return piece


def start(arguments: argparse.Namespace, make_scanner: Callable[[], Scanner]) -> NoReturn:
    """Make the scanner, drop all rights, then serve; ends the process."""
    # A duplicate: the pool hears of our end only when the process is gone, with its status.
    sock = socket.socket(fileno=os.dup(arguments.socket))
    scanner = make_scanner()
    account = None if arguments.uid is None else Account(arguments.uid, arguments.gid)
    missing = confine_worker(account, arguments.memory, arguments.parent)
    status = 1
    try:
        serve(sock, scanner, missing)
        status = 0
    finally:
        os._exit(status)  # says nothing (rule 3), and needs no call that is forbidden by now


def rehearse(scanner: Scanner) -> None:
    """Scan a key made for this moment, as text and as a number among noise.

    So all that a scan needs is loaded, and works.

    Raises:
        RulesError: the key was not found.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    number = key.private_numbers().private_value.to_bytes(32, "little")
    fd = os.memfd_create("rehearsal", os.MFD_CLOEXEC)
    try:
        os.write(fd, pem + number + os.urandom(_REHEARSED_NOISE))
        report = scanner.scan_fd(fd, "rehearsal")
    finally:
        os.close(fd)
    report_to_json(report)
    if not report.findings:
        raise RulesError


def options(argv: Sequence[str]) -> argparse.Namespace:
    """The command line of a worker; written by the pool, not by people."""
    parser = argparse.ArgumentParser(prog="lockgate-worker")
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--salt-file", type=Path)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--registry", type=Path, action="append", default=[])
    return parser.parse_args(argv)


def main() -> int:
    """Run until the agent goes away; the status of a worker that did not get so far."""
    arguments = options(sys.argv[1:])
    try:
        start(arguments, lambda: _standard_scanner(arguments))
    except RulesError:
        sys.stderr.write("lockgate worker ended: the rules cannot be used\n")
        return RULES_FAILED
    except Exception as error:  # noqa: BLE001 - rule 3: the kind of fault is all that may be said
        sys.stderr.write(f"lockgate worker ended: {type(error).__name__}\n")
        return 1


def _standard_scanner(arguments: argparse.Namespace) -> Scanner:
    from lockgate.formats.scanner import standard_scanner
    from lockgate.scan import late
    from lockgate.scan.limits import Profile
    from lockgate.scan.registry import Registry
    from lockgate.scan.rules import RuleError
    from lockgate.scan.salt import read_salt

    registry = Registry.load(arguments.registry)
    salt = read_salt(arguments.salt_file) if arguments.salt_file else None
    try:
        scanner = standard_scanner(registry, profile=Profile(arguments.profile), salt=salt)
    except (RuleError, OSError):
        raise RulesError from None
    late.import_all()
    rehearse(scanner)
    return scanner


if __name__ == "__main__":
    sys.exit(main())
