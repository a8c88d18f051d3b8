"""Who crashed: read from /proc while the kernel still holds the process.

Rules enforced here:

1. Reading comes before the first byte of content is taken, because the process ends with
   the last one.
2. What was read counts only if the process was alive after it was read, by its descriptor:
   a number alone may have another owner by now.
3. What cannot be read is absent.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lockgate.agent.guard.opener import read_opener
from lockgate.agent.intake import stack
from lockgate.agent.intake.corefile import CoreFront
from lockgate.agent.intake.entry import Crash
from lockgate.agent.verdicts.accounts import Accounts
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Opener


def crash_of(pid: int, pidfd: int | None) -> Crash:
    """The crashed process; without a descriptor it may be another that got the number."""
    opener = read_opener(pid)
    name = _name(pid)
    if pidfd is not None and _ended(pidfd):
        return Crash(Opener(pid))
    return Crash(Accounts().named(opener) or opener, name)


@contextmanager
def memory(pid: int) -> Iterator[stack.Read]:
    """The memory of a process that is being dumped; empty where it cannot be read."""
    try:
        fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield lambda _address, _count: b""
        return
    try:
        yield stack.memory_of(fd)
    finally:
        os.close(fd)


def completed(crash: Crash, front: CoreFront, read: stack.Read) -> Crash:
    """The crash with what the front of its core and its memory tell."""
    known = replace(
        crash,
        signal=front.signal or crash.signal,
        thread=front.thread or crash.thread,
        build_id=stack.build_id(front, read),
        frames=tuple(map(escape_name, stack.frames(front, read))),
    )
    executable = known.opener.executable
    signature = stack.signature(known.unit, executable, known.build_id, known.signal, known.frames)
    return replace(known, stack=signature)


def _name(pid: int) -> str:
    try:
        return escape_name(Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n"))
    except OSError:
        return ""


def _ended(pidfd: int) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(0))
