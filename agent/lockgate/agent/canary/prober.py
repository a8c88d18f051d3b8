"""Trying to get canaries out of a zone: ``python -m lockgate.agent.canary.prober``.

Rules enforced here:

1. This process stands outside the agent and its files go the way of everybody's: nothing in
   the guard knows that they are canaries.
2. Every round writes fresh files, one of each form, and tries every way, each from a process
   of its own and all at once: what comes first meets a file that nobody has judged.
3. Which form meets which way changes with the round; two rounds in a row try every pair.
4. A refusal that says "try again" is tried again, for a few seconds.
5. Nothing is written to a filesystem that is not the zone's. Files are removed again; what a
   killed prober left is removed by the next.
6. It ends in time, whatever the kernel does: every process has an alarm.

What is printed is one JSON object: ``{"attempts": [{"form", "way", "device", "inode", "errno",
"bytes"}, ...], "trouble": text}``.
"""

from __future__ import annotations

import argparse
import base64
import errno
import fcntl
import json
import os
import secrets
import signal
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lockgate.agent.canary.ways import WAYS
from lockgate.agent.folders import open_hidden
from lockgate.cli.hardening import forbid_core_dumps

FOLDER = "canary"
_AGAIN = frozenset({errno.EAGAIN, errno.EBUSY})
_AGAIN_S = 5.0
_RESULT = struct.Struct("=iq")


@dataclass(frozen=True, slots=True)
class Canary:
    """One fresh file."""

    form: str
    name: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What one way got: ``errno`` 0 and some bytes, or an error."""

    form: str
    way: str
    device: int
    inode: int
    errno: int
    bytes: int


def pairs(forms: Sequence[str], number: int) -> Iterator[tuple[str, str]]:
    """Form and way of each attempt of round ``number``."""
    for place, way in enumerate(WAYS):
        yield forms[(place + number) % len(forms)], way


def content_of(form: Mapping[str, Any]) -> bytes:
    """What a file of a form holds, with noise of its own."""
    content = bytearray(base64.b64decode(form["content"]))
    at, size = form["noise_at"], form["noise_bytes"]
    content[at : at + size] = secrets.token_hex(size)[:size].encode()
    return bytes(content)


def write(folder: int, form: Mapping[str, Any]) -> Canary:
    """A fresh file of a form."""
    name = secrets.token_hex(8)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        status = os.fstat(file)
        with os.fdopen(os.dup(file), "wb") as target:
            target.write(content_of(form))
    finally:
        os.close(file)
    return Canary(str(form["form"]), name, status.st_dev, status.st_ino)


def attempt(folder: int, canary: Canary, way: str, until: float) -> tuple[int, int]:
    """Errno and bytes of one way, tried again until ``until`` (monotonic) while told to."""
    pause = 0.1
    while True:
        try:
            return 0, WAYS[way](folder, canary.name)
        except OSError as error:
            code = error.errno or errno.EIO
        if code not in _AGAIN or time.monotonic() + pause > until:
            return code, 0
        time.sleep(pause)
        pause *= 2


def start(folder: int, canary: Canary, way: str, limit_s: int) -> int:
    """Begin an attempt in a process of its own; where its result can be read."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        signal.alarm(limit_s)
        with suppress(BaseException):
            result = attempt(folder, canary, way, time.monotonic() + _AGAIN_S)
            os.write(write_end, _RESULT.pack(*result))
        os._exit(0)
    os.close(write_end)
    return read_end


def finish(read_end: int) -> tuple[int, int]:
    """The result of an attempt; ETIMEDOUT when it was ended by its alarm."""
    with os.fdopen(read_end, "rb") as source:
        packed = source.read(_RESULT.size)
    if len(packed) < _RESULT.size:
        return errno.ETIMEDOUT, 0
    code, count = _RESULT.unpack(packed)
    return code, count


def probe(
    folder: int, forms: Sequence[Mapping[str, Any]], number: int, limit_s: int
) -> Iterator[Tried]:
    """One round in the zone's own folder."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    remove_all(folder)
    try:
        canaries = {canary.form: canary for canary in (write(folder, form) for form in forms)}
        running = [
            (canaries[form], way, start(folder, canaries[form], way, limit_s))
            for form, way in pairs(list(canaries), number)
        ]
        for canary, way, result in running:
            code, count = finish(result)
            yield Tried(canary.form, way, canary.device, canary.inode, code, count)
    finally:
        remove_all(folder)


def remove_all(folder: int) -> None:
    """Remove every file of the folder."""
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def options() -> argparse.Namespace:
    """The command line; written by the agent, not by people."""
    parser = argparse.ArgumentParser(prog="lockgate-prober")
    parser.add_argument("--material", type=int, required=True)
    parser.add_argument("--mount", required=True)
    parser.add_argument("--device", type=int, required=True)
    parser.add_argument("--round", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True, help="seconds")
    return parser.parse_args()


def main() -> None:
    """Run one round, and say what became of it."""
    given = options()
    signal.alarm(given.limit + 2)
    forbid_core_dumps()
    attempts: list[Tried] = []
    trouble = ""
    try:
        if Path(given.mount).stat().st_dev != given.device:
            trouble = f"another filesystem is at {given.mount} than the one that is guarded"
        else:
            size = os.fstat(given.material).st_size
            forms = json.loads(os.pread(given.material, size, 0))["forms"]
            folder = open_hidden(given.mount, FOLDER)
            attempts += probe(folder, forms, given.round, given.limit)
    except OSError as error:
        trouble = f"no canary could be put into the zone: {error.strerror}"
    json.dump({"attempts": [asdict(one) for one in attempts], "trouble": trouble}, sys.stdout)


if __name__ == "__main__":
    main()
