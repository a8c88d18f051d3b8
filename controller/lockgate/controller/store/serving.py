"""One serving controller for each state folder, and none while its store is replaced.

Rules enforced here: the lock is the kernel's (flock), so that whoever dies has given it up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.controller.store.faults import StoreError

LOCK = "serving.lock"


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Have the state folder for this process.

    Raises:
        StoreError: another process has it.
    """
    descriptor = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreError(f"{state_dir}: a controller serves from this folder") from None
    finally:
        os.close(descriptor)
