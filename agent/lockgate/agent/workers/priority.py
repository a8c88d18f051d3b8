"""How a worker stands against everything else on the host (sched(7), ioprio_set(2)).

Rules enforced here:

1. A background scan runs when nothing else wants the processor or the disk: whatever wakes up
   takes its place at once.
2. A scan that an open waits for is an ordinary batch job, so that a busy host cannot put it off
   for ever.
3. What the kernel refuses (an agent without root cannot raise a worker again) is left as it is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from lockgate.agent.libc import LIBC

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_WHO_PROCESS = 1
_CLASS_SHIFT = 13
_BEST_EFFORT, _IDLE = 2, 3


@dataclass(frozen=True, slots=True)
class Priority:
    """A scheduling policy, a nice value and an I/O class with its level."""

    policy: int
    nice: int
    io_class: int
    io_level: int = 0

    def give(self, pid: int) -> None:
        """Give it to a process of one thread."""
        with suppress(OSError):
            os.sched_setscheduler(pid, self.policy, os.sched_param(0))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, self.nice)
        number = _IOPRIO_SET.get(os.uname().machine)
        if number is not None:
            value = self.io_class << _CLASS_SHIFT | self.io_level
            LIBC.syscall(number, _WHO_PROCESS, pid, value)


BACKGROUND = Priority(os.SCHED_IDLE, 19, _IDLE)
WAITED_FOR = Priority(os.SCHED_BATCH, 5, _BEST_EFFORT, 5)
