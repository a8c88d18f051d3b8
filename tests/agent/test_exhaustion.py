"""A guard that has no descriptor left refuses, lives, and recovers."""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agent.conftest import CLEAN, PRIVATE, GuardProcess, error_of, wait_until

pytestmark = pytest.mark.root
#: EPERM: the kernel itself refuses an event for which there is no descriptor.
_REFUSALS = {errno.EAGAIN, errno.EBUSY, errno.EPERM}


@contextmanager
def _descriptors(pid: int, spare: int) -> Iterator[None]:
    """Leave a process that many descriptors more than it has."""
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("spare", range(4))
def test_a_guard_without_descriptors_refuses_and_recovers(guard: GuardProcess, spare: int) -> None:
    """No dirty file opens, also while a writer waits; afterwards all is as before."""
    clean, dirty, read = (guard.zone / name for name in ("clean", "dirty", "read"))
    for path in (clean, read):
        path.write_bytes(CLEAN)
    dirty.write_bytes(PRIVATE)
    guard.start(writer_wait="0.2")
    reader = os.open(read, os.O_RDONLY)
    errors: set[int] = set()
    with _descriptors(guard.pid, spare):
        end = time.monotonic() + 2.2  # two beats
        while time.monotonic() < end:
            errors |= {error_of(dirty), error_of(read, os.O_WRONLY)}
            error_of(clean)
    os.close(reader)

    assert errors <= _REFUSALS
    wait_until(lambda: error_of(clean) == 0)
    wait_until(lambda: error_of(read, os.O_WRONLY) == 0)
    wait_until(lambda: error_of(dirty) == errno.EPERM)
