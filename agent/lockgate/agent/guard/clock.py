"""The guard's clock, and how long a decision holds by it.

Rules enforced here:

1. Deadlines and ends are told in seconds of CLOCK_BOOTTIME (clock_gettime(2)): it cannot be
   set, and it goes on while the host sleeps.
2. A decision's time by the wall clock is read once, when the decision comes. However wrong
   the wall clock is, an ALLOW is used no longer than ``LONGEST_ALLOW_S``.
"""

from __future__ import annotations

import time
from datetime import datetime

from lockgate.wire.transfer import Decision, Verdict

#: How long an ALLOW is used without asking again, in seconds.
LONGEST_ALLOW_S = 24 * 3600.0


def seconds() -> float:
    """Seconds since the host booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ending_of(decision: Decision, today: datetime) -> float | None:
    """When a decision that came now ends, by :func:`seconds`; None: not by time."""
    if decision.verdict is Verdict.ALLOW:
        end, longest = decision.cache_until, LONGEST_ALLOW_S
    else:
        end, longest = decision.wait_until, float("inf")
    if end is None:
        return None
    return seconds() + min((end - today).total_seconds(), longest)
