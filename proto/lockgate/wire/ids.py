"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7).

Rules enforced here:

1. Every identifier made by one process is greater than the one before it, also within one
   millisecond and when the clock steps back.
"""

from __future__ import annotations

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def uuid7() -> str:
    """A new UUIDv7 in its usual text form.

    The 74 bits after the millisecond are random; where that would not be greater than the
    last identifier, the last one plus one is used (RFC 9562, section 6.2, method 2).
    """
    global _last
    with _lock:
        random = int.from_bytes(os.urandom(10)) & ((1 << 74) - 1)
        ordered = (time.time_ns() // 1_000_000 << 74) | random
        _last = ordered if ordered > _last else _last + 1
        return str(uuid.UUID(int=_with_version(_last)))


def _with_version(ordered: int) -> int:
    """Insert version 7 and variant 2 into 48 bits of time and 74 bits of order."""
    milliseconds, rest = ordered >> 74, ordered & ((1 << 74) - 1)
    high, low = rest >> 62, rest & ((1 << 62) - 1)
    return milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
