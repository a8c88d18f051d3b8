"""What the controller has not acknowledged yet, and when each is said next.

Rules enforced here:

1. Questions of openers that wait go first, and are never slowed down by other messages.
2. The pause between attempts doubles up to a bound; whoever is back hears everything at once.
3. A controller that asks to be left alone is not told what nobody waits for meanwhile.
4. Nothing here sends, waits or writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.uplink.spool import Record
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, HoldReason, Transfer

_IN_FLIGHT = 32
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
#: How long a failure keeps back messages that nobody waits for, at most.
_LONGEST_HUSH_S = 2.0
#: How long is waited when nothing is due, and at least when something is.
_IDLE_S, _LEAST_S = 1.0, 0.02


@dataclass(slots=True)
class Question:
    """A transfer that the guard wants decided until ``deadline`` (monotonic clock)."""

    job: int
    transfer: Transfer
    report: Report
    deadline: float
    answers: Mailbox[tuple[int, Decision]]


@dataclass(slots=True)
class Unsent:
    """A message on its way: in the spool, not acknowledged."""

    record: Record
    message: Any
    question: Question | None = None
    attempts: int = 0
    #: Why the question is held if nothing better comes.
    late_reason: HoldReason = HoldReason.CONTROLLER_UNREACHABLE
    next_try: float = 0.0
    in_flight: bool = False


class UnsentMessages:
    """All messages on their way, by their numbers; times are of the monotonic clock."""

    def __init__(self) -> None:
        self._by_number: dict[int, Unsent] = {}
        self._hush_until = 0.0

    def __len__(self) -> int:
        return len(self._by_number)

    def add(self, unsent: Unsent) -> None:
        """One more message."""
        self._by_number[unsent.record.number] = unsent

    def find(self, number: int) -> Unsent | None:
        """The message of a number; None when it was acknowledged."""
        return self._by_number.get(number)

    def remove(self, unsent: Unsent) -> None:
        """It was acknowledged, or never will be."""
        del self._by_number[unsent.record.number]

    def late(self, now: float) -> Iterator[tuple[Unsent, Question]]:
        """Questions whose deadline has passed."""
        for unsent in self._by_number.values():
            if unsent.question and now >= unsent.question.deadline:
                yield unsent, unsent.question

    def patience(self, now: float) -> float:
        """For how many seconds nothing here needs to be done."""
        times = [now + _IDLE_S]
        for unsent in self._by_number.values():
            if unsent.question:
                times.append(unsent.question.deadline)
            if not unsent.in_flight:
                times.append(max(unsent.next_try, now + _LEAST_S))
        return max(0.0, min(times) - now)

    def due(self, now: float) -> Iterator[Unsent]:
        """What is to be said now, in order."""
        waiting = [u for u in self._by_number.values() if not u.in_flight and u.next_try <= now]
        waiting.sort(key=lambda u: (u.question is None, u.record.number))
        room = _IN_FLIGHT - sum(u.in_flight for u in self._by_number.values())
        for unsent in waiting:
            if unsent.question is None and (room <= 0 or now < self._hush_until):
                continue
            room -= 1
            yield unsent

    def hurry(self) -> None:
        """The controller is back: everything is due."""
        self._hush_until = 0.0
        for unsent in self._by_number.values():
            unsent.next_try = 0.0

    def postpone(self, unsent: Unsent, now: float, at_least_s: float = 0.0) -> None:
        """It was said in vain: say it again later, and what nobody waits for not before.

        ``at_least_s``: for how long the controller asks to be left alone.
        """
        pause = min(_FIRST_PAUSE_S * 2 ** min(unsent.attempts, 10), _LONGEST_PAUSE_S)
        if unsent.question:
            pause = _FIRST_PAUSE_S
        hush = max(at_least_s, 0.0 if unsent.question else min(pause, _LONGEST_HUSH_S))
        self._hush_until = max(self._hush_until, now + hush)
        unsent.next_try = now + max(pause, at_least_s)
