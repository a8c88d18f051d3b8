"""core_pattern borrowed from the whole machine, and given back whatever happens."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.agent.intake.pattern import Kernel

_LOCK = Path(tempfile.gettempdir()) / "lockgate-core-pattern.lock"
_RESTORE = """
import sys
pattern, limit = sys.argv[1:]
while sys.stdin.buffer.raw.read(1):
    pass
open("/proc/sys/kernel/core_pipe_limit", "w").write(limit)
open("/proc/sys/kernel/core_pattern", "w").write(pattern)
"""


@contextmanager
def borrowed_core_pattern() -> Iterator[Kernel]:
    """The kernel's real settings, one borrower at a time.

    Another process puts them back when this one dies: its standard input ends then.
    """
    kernel = Kernel()
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = (kernel.pattern(), kernel.limit())
        words = [sys.executable, "-c", _RESTORE, *old]
        with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as restorer:
            try:
                yield kernel
            finally:
                kernel.set(*old)
                assert restorer.stdin is not None
                restorer.stdin.close()
                restorer.wait(60)
        assert (kernel.pattern(), kernel.limit()) == old
