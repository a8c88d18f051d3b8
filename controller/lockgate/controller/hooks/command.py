"""Running a hook's command.

Rules enforced here:

1. No shell, a fixed environment, ``/`` as its folder, a process group of its own. The input is
   JSON on standard input; what it prints is not kept, because it might be a secret.
2. Past its time limit, or when the controller stops, the whole group is killed. What the command
   leaves running in its group when it ends is killed too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

#: All that a command finds in its environment.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: ``status`` is an exit code or HTTP status, None when there was none.

    ``error`` says why it counts as failed; ``final``: trying again would not help.
    """

    status: int | None
    error: str = ""
    final: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the hook has done what it is for."""
        return not self.error


async def run(command: Sequence[str], payload: bytes, limit: float) -> Outcome:
    """Run a command to its end, or to its limit in seconds."""
    try:
        process = _start(command, payload)
    except OSError as error:
        return Outcome(None, f"{command[0]}: {error.strerror}")
    try:
        async with asyncio.timeout(limit):
            await _ended(process.pid)
        late = False
    except TimeoutError:
        late = True
    finally:
        # The leader is not reaped yet, so that its number still names this group alone.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = await asyncio.to_thread(process.wait)
    if late:
        return Outcome(None, f"killed after {limit:g} s")
    return Outcome(status, "" if status == 0 else f"exit code {status}")


def _start(command: Sequence[str], payload: bytes) -> subprocess.Popen[bytes]:
    descriptor = os.memfd_create("hook-input", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "r+b") as file:
        file.write(payload)
        file.seek(0)
        return subprocess.Popen(
            list(command),
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )


async def _ended(pid: int) -> None:
    """Wait until a child has ended, without reaping it."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    try:
        loop.add_reader(descriptor, done.set)
        await done.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
