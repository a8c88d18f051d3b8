"""Attempts that repeat: each is counted, not each is a message.

A program that tries a refused file in a loop would otherwise fill spool and ledger, and a full
spool holds everybody else's files.

Rules enforced here:

1. The first ``burst`` attempts on a file within ``window_s`` seconds that ended alike (refused,
   or let in) are recorded one by one.
2. Those after them are counted; when the window is over the last of them is recorded, and says
   how many there were. None is lost.
3. The table is bounded; the file that was tried longest ago gives way, and its count is
   recorded then.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from lockgate.agent.guard.cache import Inode
from lockgate.wire.transfer import Enforcement, Receipt


@dataclass(slots=True)
class _Window:
    end: float
    recorded: int = 0
    counted: int = 0
    last: Receipt | None = None


class Repeats:
    """Which attempts become receipts; times are seconds of a monotonic clock."""

    def __init__(self, *, burst: int = 20, window_s: float = 10.0, files: int = 1024) -> None:
        self._burst = burst
        self._window_s = window_s
        self._files = files
        self._windows: OrderedDict[tuple[Inode, Enforcement], _Window] = OrderedDict()

    def tried(self, inode: Inode, receipt: Receipt, now: float) -> list[Receipt]:
        """One attempt; the receipts to record for it, which may be none."""
        due = self.due(now)
        key = (inode, receipt.enforcement)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(now + self._window_s)
        if window.recorded < self._burst:
            window.recorded += 1
            return [*due, receipt, *self._shrink()]
        window.counted += 1
        window.last = receipt
        return due

    def due(self, now: float) -> list[Receipt]:
        """Receipts of the windows that are over."""
        done: list[Receipt] = []
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if window.end > now:
                break
            del self._windows[key]
            done += _summary(window)
        return done

    def _shrink(self) -> list[Receipt]:
        if len(self._windows) <= self._files:
            return []
        _, oldest = self._windows.popitem(last=False)
        return _summary(oldest)


def _summary(window: _Window) -> list[Receipt]:
    if window.last is None:
        return []
    note = f"stands for {window.counted} attempts on this file in a row"
    detail = f"{window.last.detail}; {note}" if window.last.detail else note
    return [replace(window.last, detail=detail)]
