"""The release desk: hands out judged copies of files that cannot be read where they are.

Rules enforced here:

1. A process announces on its connection that its next open is for a copy. Only that one
   process (pid and start), and only one open at a time, is taken from the guard: the kernel
   has checked its permissions, and nothing is opened by a name here.
2. The copy is judged, never the file: what is handed out is exactly what was scanned.
   The one exception is root, who gets a file of the quarantine in order to encrypt it.
3. A whole file leaves when the policy allows it over the boundary ``release``. A part of a
   growing file must be clean besides, and only as much of it leaves as
   :mod:`lockgate.agent.release.increments` says.
4. Every answer has a receipt. What goes wrong is a HOLD.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockgate.agent.control import Line, Peer
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.guard.errnos import errno_of
from lockgate.agent.guard.opener import path_of, read_opener, start_ticks
from lockgate.agent.quarantine.store import STORE_PARTS
from lockgate.agent.release.copies import Copies, Copy, NoRoomError
from lockgate.agent.release.increments import CONTEXT, Window, releasable, window_of
from lockgate.agent.verdicts.asking import Asking
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.scan.report import Outcome, Report
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    HoldReason,
    Opener,
    Transfer,
    Verdict,
    Zone,
    hold,
)

#: How long a connection may be silent between its openings.
_SILENCE_S = 3600.0
_LONGEST_LINE = 4096


@dataclass(slots=True)
class _Visit:
    """One connected process; ``waits`` while its next open is for us."""

    start_ticks: int | None
    waits: bool = False
    file: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for: the whole file, or its bytes from ``first`` on as far as ``settled``.

    ``stored``: the file itself, by its name in quarantine, to be encrypted by root.
    """

    first: int | None
    settled: int
    last: bool
    stored: str

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> _Wish:
        first = message.get("first")
        return cls(
            None if first is None else max(0, int(first)),
            int(message.get("settled", 0)),
            bool(message.get("last")),
            str(message.get("stored", "")),
        )


class Desk:
    """Implements :class:`lockgate.agent.ports.ReleaseDesk`; :meth:`serve` is a session."""

    def __init__(
        self, asking: Asking, copies: Copies, host: str, zone_of: Callable[[int], Zone]
    ) -> None:
        """``zone_of`` tells the zone of a device number (st_dev)."""
        self._asking = asking
        self._copies = copies
        self._host = host
        self._zone_of = zone_of
        self._visits: dict[int, _Visit] = {}

    # The guard's thread

    def wants(self, tid: int) -> bool:
        """See :class:`lockgate.agent.ports.ReleaseDesk`."""
        visit = self._visits.get(tid)
        return visit is not None and visit.waits and start_ticks(tid) == visit.start_ticks

    def take(self, fd: int, tid: int) -> None:
        """See :class:`lockgate.agent.ports.ReleaseDesk`."""
        visit = self._visits.get(tid)
        if visit is not None:
            with visit.lock:
                if visit.waits:
                    visit.waits, visit.file = False, fd
                    return
        os.close(fd)

    # A connection's thread

    def serve(self, line: Line, peer: Peer) -> None:
        """Talk with one process until it leaves.

        Lines: we say ``ready``; it says what it wants; we say ``open``; it opens the file and
        says which errno it got; we say what became of it.
        """
        if peer.start_ticks is None:
            return
        visit = _Visit(peer.start_ticks)
        if self._visits.setdefault(peer.pid, visit) is not visit:
            line.say({"error": "this process has a connection already"})
            return
        line.wait_at_most(_SILENCE_S)
        try:
            line.say({"ready": True})
            while True:
                self._serve_one(line, peer, visit, _Wish.of(line.hear(_LONGEST_LINE)))
        except (ValueError, TypeError):
            return
        finally:
            del self._visits[peer.pid]
            self._collect(visit)

    def _serve_one(self, line: Line, peer: Peer, visit: _Visit, wish: _Wish) -> None:
        visit.waits = True
        line.say({"open": True})
        line.hear(_LONGEST_LINE)
        fd = self._collect(visit)
        if fd is None:
            line.say({"taken": False})
            return
        try:
            if wish.stored:
                _hand_stored(line, peer, fd, wish.stored)
            else:
                self._judge(line, _opener_of(peer), fd, wish)
        finally:
            os.close(fd)

    @staticmethod
    def _collect(visit: _Visit) -> int | None:
        """The file that the guard handed over; none comes after this."""
        with visit.lock:
            visit.waits = False
            fd, visit.file = visit.file, -1
        return fd if fd >= 0 else None

    def _judge(self, line: Line, opener: Opener, fd: int, wish: _Wish) -> None:
        status = os.fstat(fd)
        transfer = new_transfer(
            zone=self._zone_of(status.st_dev),
            host=self._host,
            path=path_of(fd),
            identity=identity_of(status),
            opener=opener,
            boundary=Boundary.RELEASE,
        )
        window = None
        if wish.first is not None:
            window = window_of(wish.first, wish.settled, status.st_size)
        start, end = (window.start, window.end) if window else (0, status.st_size)
        try:
            copy = self._copies.copy(fd, start, end)
        except NoRoomError as error:
            self._answer(line, transfer, hold(HoldReason.SPOOL_FULL, message=f"{error}."))
        except OSError:
            self._answer(line, transfer, hold(HoldReason.CHANGED))
        else:
            with closing(copy):
                self._judge_copy(line, transfer, copy, window, last=wish.last)

    def _judge_copy(
        self, line: Line, transfer: Transfer, copy: Copy, window: Window | None, *, last: bool
    ) -> None:
        report = self._asking.scan(copy.reader, transfer.path, transfer.zone.name)
        decision = self._asking.decide(transfer, report)
        if window is None:
            self._answer(line, transfer, decision, report, copy)
            return
        if decision.verdict is Verdict.ALLOW and report.outcome is not Outcome.CLEAN:
            decision = hold(HoldReason.GAP)
        first = window.first - window.start
        end = max(first, _cut(copy, window, last=last))
        copy.keep(first, end)
        self._answer(line, transfer, decision, report, copy, {"first": first, "end": end})

    def _answer(
        self,
        line: Line,
        transfer: Transfer,
        decision: Decision,
        report: Report | None = None,
        copy: Copy | None = None,
        part: Mapping[str, int] | None = None,
    ) -> None:
        """Record what was decided, and only then say it; an ALLOW comes with the copy."""
        self._asking.record(receipt_of(transfer, decision, errno_of(decision)))
        allowed = decision.verdict is Verdict.ALLOW and copy is not None
        message = {
            "taken": True,
            "verdict": decision.verdict.value,
            "reason": decision.hold_reason.value if decision.hold_reason else "",
            "rule": decision.rule,
            "message": decision.message,
            "transfer_id": transfer.transfer_id,
            "sha256": report.sha256 if report else None,
            "size": copy.size if copy else 0,
            **(part or {}),
        }
        line.say(message, [copy.seal()] if allowed and copy else [])


def _hand_stored(line: Line, peer: Peer, fd: int, name: str) -> None:
    """Hand root a file of the quarantine as it lies there, and nothing else."""
    place = Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 - keeps every byte
    handed = peer.uid == 0 and place.parts[-3:] == (*STORE_PARTS, name)
    verdict = Verdict.ALLOW if handed else Verdict.QUARANTINE
    answer = {"verdict": verdict.value, "reason": "", "rule": "", "message": "", "sha256": None}
    line.say({"taken": True, **answer}, [fd] if handed else [])


def _opener_of(peer: Peer) -> Opener:
    opener = read_opener(peer.pid)
    return opener if opener.start_ticks == peer.start_ticks else Opener(peer.pid, peer.uid)


def _cut(copy: Copy, window: Window, *, last: bool) -> int:
    """How far of a copy may leave, in bytes of the copy."""
    limit = min(window.limit - window.start, copy.size)
    behind = max(0, limit - 2 * CONTEXT)
    content = os.pread(copy.reader, limit - behind, behind)
    at_end = last and window.start + copy.size == window.end
    return behind + releasable(content, last=at_end)
