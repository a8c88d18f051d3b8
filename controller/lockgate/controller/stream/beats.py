"""The numbers of heartbeats, and the silence of agents. Pure.

Rules enforced here:

1. An agent numbers its heartbeats from 1. A number that was acknowledged is never used again;
   one that was not may be, on the next stream. Any other step is told: what is skipped is
   missing, and a step back means that the agent lost its count, or that another has its key.
2. Silence is measured by a clock that nobody can set, as time in which nothing new was kept of
   an agent, by whatever controller: a start of this process begins the time anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Missing:
    """Heartbeats ``first`` to ``last`` did not come."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Rewound:
    """After heartbeat ``last`` came one that is not greater."""

    last: int
    sequence: int


def step(last: int, sequence: int, *, begins: bool) -> Missing | Rewound | None:
    """What a heartbeat's number says after ``last``; None: nothing.

    ``begins``: it is the first of its stream, so that the acknowledgement of the last one may
    not have reached the agent.
    """
    if sequence > last + 1:
        return Missing(last + 1, sequence - 1)
    if sequence < last or (sequence == last and not begins):
        return Rewound(last, sequence)
    return None


class Watch:
    """Which agents have been silent for too long; times in seconds of a monotonic clock."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self, marks: Iterable[tuple[str, int]], now: float) -> list[str]:
        """Those whose mark has not changed for the patience.

        ``marks``: all agents that are expected to speak, each with a number that changes
        whenever it is heard.
        """
        seen: dict[str, tuple[int, float]] = {}
        for host, mark in marks:
            known = self._seen.get(host)
            seen[host] = known if known is not None and known[0] == mark else (mark, now)
        self._seen = seen
        return [host for host, (_, since) in seen.items() if now - since >= self._patience_s]
