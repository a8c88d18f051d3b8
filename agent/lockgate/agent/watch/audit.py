"""Audit mode: what a guard would have said of each open, told after the open has happened.

Rules enforced here:

1. Opens come from a notification group, so nothing is denied and nobody waits, whatever
   becomes of the agent. The kernel's queue keeps its bound: opens beyond it are skipped and
   counted.
2. A file is judged once for each state of its bytes. Opens of a file that may cross are
   counted; of a file that may not, each further program and user is told once.
3. No more files are held open than may be in flight; opens beyond that are skipped, counted
   and named in status.
4. What an opener was is read after the fact: a process that has ended has a number only.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lockgate.agent.config import ZoneSettings
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.guard.opener import path_of, read_opener
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.agent.watch import notification
from lockgate.agent.watch.judging import TRANSIENT, Judged, Judging
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Enforcement, FileIdentity, Opener, Verdict

_AT_ONCE = 128
_REMEMBERED = 100_000
_REMEMBERED_REFUSALS = 2_000
#: Longest time that events are read before files are judged.
_READ_S = 0.2


@dataclass(slots=True)
class _File:
    """What is known of one state of a file. ``judged`` None: it is in flight, or may cross."""

    judged: Judged[FileIdentity] | None = None
    told: set[tuple[str, int | None]] = field(default_factory=set)


class Audit:
    """One audited zone."""

    AGAIN = "every file is scanned again when it is opened"

    def __init__(
        self,
        zone: ZoneSettings,
        host: str,
        judging: Judging[FileIdentity],
        own_pids: Callable[[], Sequence[int]],
    ) -> None:
        """Begin to be told of opens; ``own_pids``: processes of ours, whose opens do not count.

        Raises:
            OSError: not root, or the filesystem gives no such events.
        """
        self._zone = zone
        self._host = host
        self._judging = judging
        self._own_pids = own_pids
        self._folder = zone.path.resolve(strict=True)
        self._everything = os.path.ismount(self._folder)
        self._group = notification.create(0)
        try:
            notification.mark(self._group, self._folder, notification.OPEN)
        except OSError:
            os.close(self._group)
            raise
        self._known: OrderedDict[FileIdentity, _File] = OrderedDict()
        self._refused: OrderedDict[FileIdentity, None] = OrderedDict()
        self._in_flight = 0
        self._last_skipped = ""
        self.counts: Counter[str] = Counter()

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll."""
        return (self._group,)

    def turn(self) -> float:
        """Take what opens happened; how long to wait for the next."""
        own = {os.getpid(), *self._own_pids()}
        end = time.monotonic() + _READ_S
        while time.monotonic() < end and (events := notification.read(self._group)):
            for event in events:
                if event.mask & notification.OVERFLOW:
                    self.counts["overflows"] += 1
                if event.fd >= 0:
                    self._opened(event.fd, event.pid, ours=event.pid in own)
        return 1.0

    def status(self) -> dict[str, Any]:
        """Facts for status; see :func:`lockgate.agent.watching.run_watch`."""
        return {
            "zone": escape_name(str(self._zone.path)),
            "source": "fanotify",
            "pending": self._in_flight,
            "counts": dict(self.counts),
            "reasons": list(self._reasons()),
        }

    def look_again(self) -> None:
        """See :class:`lockgate.agent.watch.watch.WatchedZone`."""
        self._known.clear()
        self._refused.clear()

    def close(self) -> None:
        """Stop being told."""
        os.close(self._group)

    def _reasons(self) -> Iterator[str]:
        yield "files that were open or mapped before the start are not seen"
        if not self._everything:
            yield "opens elsewhere on the zone's filesystem, as by a hard link, are not told"
        if overflows := self.counts["overflows"]:
            yield f"the kernel's queue overflowed {overflows} times; opens were skipped"
        if skipped := self.counts["skipped"]:
            yield f"{skipped} opens were skipped under load, the last of {self._last_skipped}"

    def _opened(self, fd: int, pid: int, *, ours: bool) -> None:
        """One open; takes the descriptor over."""
        status = os.fstat(fd)
        if ours or not stat.S_ISREG(status.st_mode) or not status.st_size or not self._is_here(fd):
            os.close(fd)
            return
        self.counts["opens"] += 1
        identity = identity_of(status)
        known = self._known.get(identity)
        if known is None:
            self._begin(fd, pid, identity)
            return
        self._known.move_to_end(identity)
        self.counts["repeats"] += 1
        if known.judged is None:
            os.close(fd)
        else:
            self._again(known, replace(known.judged, fd=fd), read_opener(pid))

    def _is_here(self, fd: int) -> bool:
        if self._everything:
            return True
        path = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - keeps every byte
        return path.startswith(f"{self._folder}/")

    def _begin(self, fd: int, pid: int, identity: FileIdentity) -> None:
        path = path_of(fd)
        if self._in_flight >= _AT_ONCE:
            os.close(fd)
            self.counts["skipped"] += 1
            self._last_skipped = path
            return
        opener = read_opener(pid)
        self._remember(identity, opener)
        transfer = new_transfer(
            zone=self._zone.zone, host=self._host, path=path, identity=identity, opener=opener
        )
        self._in_flight += 1
        self._judging.begin(identity, fd, transfer, self._settle)

    def _remember(self, identity: FileIdentity, opener: Opener) -> None:
        self._known[identity] = _File(told={_who(opener)})
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _again(self, file: _File, judged: Judged[FileIdentity], opener: Opener) -> None:
        """Another open of a file that may not cross, or whose verdict depends on who opens."""
        who = _who(opener)
        if who in file.told or self._in_flight >= _AT_ONCE:
            os.close(judged.fd)
            return
        file.told.add(who)
        self._in_flight += 1
        transfer = replace(judged.transfer, opener=opener, attempt_time=datetime.now(UTC))
        self._judging.ask_again(replace(judged, transfer=transfer), self._settle)

    def _settle(self, judged: Judged[FileIdentity]) -> None:
        self._in_flight -= 1
        self.counts[f"would_{judged.decision.verdict.value.lower()}"] += 1
        self._keep(judged)
        receipt = replace(
            receipt_of(judged.transfer, judged.decision, 0), enforcement=Enforcement.NOT_ENFORCED
        )
        if identity_of(os.fstat(judged.fd)) != judged.transfer.identity:
            self.counts["changed"] += 1
            receipt = replace(receipt, detail="the file changed while it was judged")
        self._judging.finish(judged, receipt)

    def _keep(self, judged: Judged[FileIdentity]) -> None:
        """Remember what further openers must be told of; a hold for now is asked again."""
        identity, decision = judged.subject, judged.decision
        file = self._known.get(identity)
        if file is None or (decision.verdict is Verdict.ALLOW and decision.opener_independent):
            return
        if decision.hold_reason in TRANSIENT:
            del self._known[identity]
            return
        file.judged = replace(judged, fd=-1)
        self._refused[identity] = None
        if len(self._refused) > _REMEMBERED_REFUSALS:
            oldest, _ = self._refused.popitem(last=False)
            self._known.pop(oldest, None)


def _who(opener: Opener) -> tuple[str, int | None]:
    return (opener.executable, opener.uid)
