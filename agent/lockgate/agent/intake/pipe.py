"""The program of a pipe pattern: the kernel starts it with a core as its standard input.

Rules enforced here:

1. The stream is handed to the intake, which answers within half a second, or is taken in
   here: a crash is not lost because the intake is away.
2. It starts fast (``python -IS``): what only the second way needs is imported there.
3. Nothing is printed; there is nobody to read it.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lockgate.agent.intake.wire import HANDOVER_NAME, encode

_PATIENCE_S = 0.5
_STDIN = 0


@dataclass(frozen=True, slots=True)
class _Dump:
    """What the kernel says of a dump beside its bytes."""

    pid: int
    thread: int
    signal: int
    pidfd: int | None


def main(words: list[str]) -> int:
    """Take one core in.

    ``words``: RUN_DIR STORE MAX_BYTES MAX_FILES CRASHES_PER_HOUR, then the kernel's
    PID THREAD SIGNAL and where it gives one PIDFD.
    """
    run_dir, store = Path(words[0]), Path(words[1])
    bounds = [int(word) for word in words[2:5]]
    pid, thread, signal = (int(word) for word in words[5:8])
    given = len(words) > 8 and words[8].isdecimal()
    dump = _Dump(pid, thread, signal, int(words[8]) if given else _pidfd(pid))
    if not _hand_over(run_dir, dump):
        _take_in(store, bounds, dump)
    return 0


def _hand_over(run_dir: Path, dump: _Dump) -> bool:
    """Whether the intake has the stream now."""
    facts = {"pid": dump.pid, "thread": dump.thread, "signal": dump.signal}
    fds = [_STDIN] if dump.pidfd is None else [_STDIN, dump.pidfd]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(_PATIENCE_S)
        try:
            connection.connect(str(run_dir / HANDOVER_NAME))
            socket.send_fds(connection, [encode({"verb": "dump", **facts})], fds)
            return bool(connection.recv(64))
        except OSError:
            return False


def _take_in(store: Path, bounds: list[int], dump: _Dump) -> None:
    from lockgate.agent.intake.identify import crash_of
    from lockgate.agent.intake.loops import CrashLoops
    from lockgate.agent.intake.receive import IntakeLimits, Reception
    from lockgate.agent.intake.store import IntakeQuota, Store
    from lockgate.agent.intake.stream import PipeStream

    limits = IntakeLimits()
    own = Store(store, IntakeQuota(bounds[0], bounds[1]))
    reception = Reception(own, CrashLoops.remembering(bounds[2], own.all()), limits)
    crash = replace(crash_of(dump.pid, dump.pidfd), thread=dump.thread, signal=dump.signal)
    with reception.letting_go():
        reception.take(PipeStream(_STDIN, limits.stall_s), crash, "pipe")


def _pidfd(pid: int) -> int | None:
    with suppress(OSError):
        return os.pidfd_open(pid)
    return None
