"""What a receiver remembers of the lists of revocations that it has used: the largest number.

Rules enforced here:

1. The number only grows, also when several processes verify at once.
2. A memory that cannot be read or written is an error: without it an older list, shown again,
   could not be told from the newest.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_DIGITS = 20


class MemoryFault(Exception):  # noqa: N818  (not of the file that is verified)
    """The memory cannot be used; the text says why."""


@dataclass(slots=True)
class Seen:
    """The memory while it is held. ``sequence``: the largest number so far."""

    sequence: int
    _file: int

    def note(self, sequence: int) -> None:
        """A list of this number was used."""
        if sequence > self.sequence:
            os.pwrite(self._file, f"{sequence:0{_DIGITS}d}\n".encode(), 0)
            os.fsync(self._file)
            self.sequence = sequence


def default_path(key: Ed25519PublicKey) -> Path:
    """Where the memory of a key's lists is (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME")
    folder = Path(state or Path.home() / ".local" / "state") / "lockgate"
    return folder / f"revocations-{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]}"


@contextmanager
def remembered(path: Path) -> Iterator[Seen]:
    """The memory in ``path``, held against other processes; made when it is not there.

    Raises:
        MemoryFault: see there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(path, flags, 0o600)
    except OSError as error:
        raise MemoryFault(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = os.read(file, _DIGITS + 2).decode("ascii", "replace").strip()
        if kept and not (kept.isascii() and kept.isdigit()):
            raise MemoryFault(f"{path}: not a memory of lists of revocations")
        yield Seen(int(kept or 0), file)
    except OSError as error:
        raise MemoryFault(f"{path}: {error.strerror}") from None
    finally:
        os.close(file)
