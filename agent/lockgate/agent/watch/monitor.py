"""Monitor mode: files are scanned and reported after they were written; nothing is stopped.

Rules enforced here:

1. No lease is taken and no file is touched: nobody is denied anything or waits for us.
2. Everything is looked at again at the start, after lost events, and at intervals; a file is
   known by its identity, so that looking twice costs nothing.
3. What waits and what is remembered is bounded; beyond the bound everything is looked at again.
4. What may have been missed is told, with numbers.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockgate.agent.config import ZoneSettings
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.agent.watch.judging import Judged, Judging
from lockgate.agent.watch.rescan import Look, files_below
from lockgate.agent.watch.sources import MOST_HINTS, Hints, Source
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Enforcement, FileIdentity

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE = 64
_LOOKED_AT_ONCE = 2_000
_MOST_FOLDERS = 1_000
_REMEMBERED = 200_000
_ALWAYS_LATE = (
    "stores through shared mappings, and what other hosts write to a network filesystem, "
    "are seen at the next look only"
)


class Monitor:
    """One monitored zone. Times in seconds.

    ``quiet_s``: a file must be unchanged that long before it is judged; one that never is,
    is judged after ``rescan_s`` all the same.
    """

    AGAIN = "every file is scanned again"

    def __init__(
        self,
        zone: ZoneSettings,
        host: str,
        judging: Judging[Path],
        source: Source,
        *,
        quiet_s: float = 0.5,
        rescan_s: float = 300.0,
    ) -> None:
        self._zone = zone
        self._host = host
        self._judging = judging
        self._quiet_s = quiet_s
        self._rescan_s = rescan_s
        self._source = source
        #: Path -> (when to look, when it was first told of); in the order of the former.
        self._due: OrderedDict[Path, tuple[float, float]] = OrderedDict()
        self._walks: deque[Iterator[Path]] = deque()
        #: What looks found and nobody opened yet; files that never are quiet do not count.
        self._found: set[Path] = set()
        self._remembered: OrderedDict[FileIdentity, None] = OrderedDict()
        self._full: Iterator[Path] | None = None
        self._look, self._last_look = Look(), Look()
        self._unreadable = 0
        self._next_rescan = 0.0
        self._in_flight = 0
        self.counts: Counter[str] = Counter()

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll."""
        return (self._source.fileno(),)

    def turn(self) -> float:
        """Do what can be done now; seconds until there may be more without an event."""
        now = time.monotonic()
        self._hear(self._source.collect(), now)
        if now >= self._next_rescan:
            self._look_everywhere(now)
        self._walk(now)
        self._begin_due(now)
        times = [self._next_rescan]
        if self._in_flight < _AT_ONCE:
            times += [now] * bool(self._walks) + [when for when, _ in self._first_due()]
        return max(0.02, min(times) - now)

    def status(self) -> dict[str, Any]:
        """Facts for status; see :func:`lockgate.agent.watching.run_watch`."""
        return {
            "zone": escape_name(str(self._zone.path)),
            "source": self._source.name,
            "pending": self._in_flight + len(self._due),
            "directories": self._last_look.directories,
            "counts": dict(self.counts) | {"overflows": self._source.overflows()},
            "reasons": list(self._reasons()),
        }

    def look_again(self) -> None:
        """See :class:`lockgate.agent.watch.watch.WatchedZone`."""
        self._remembered.clear()
        self._next_rescan = 0.0

    def close(self) -> None:
        """Stop watching."""
        self._source.close()

    def _reasons(self) -> Iterator[str]:
        yield _ALWAYS_LATE
        yield from self._source.weaknesses(self._last_look.directories)
        if overflows := self._source.overflows():
            yield f"events were lost {overflows} times; everything was looked at again"
        if self._last_look.unreadable:
            yield f"directories that cannot be read: {self._last_look.unreadable}"
        if self._unreadable:
            yield f"files that could not be read: {self._unreadable}"
        if len(self._remembered) >= _REMEMBERED:
            yield f"more than {_REMEMBERED} files: some are scanned again at every look"

    # Where to look

    def _hear(self, hints: Hints, now: float) -> None:
        if hints.lost or len(self._walks) + len(hints.folders) > _MOST_FOLDERS:
            self._next_rescan = now
        else:
            self._walks.extend(files_below(folder, Look()) for folder in hints.folders)
        for path in hints.files:
            self._expect(path, now)

    def _expect(self, path: Path, now: float) -> None:
        if len(self._due) >= MOST_HINTS:
            self.counts["looks_cut_short"] += 1
            self._next_rescan = min(self._next_rescan, now + self._quiet_s)
            return
        self._due.setdefault(path, (now + self._quiet_s, now))

    def _look_everywhere(self, now: float) -> None:
        self._next_rescan = now + self._rescan_s
        self._look = Look()
        self._unreadable = 0
        self._full = files_below(self._zone.path, self._look)
        self._walks = deque([self._full])
        self.counts["looks"] += 1

    def _walk(self, now: float) -> None:
        """Go on with the looks, as far as there is room for what they find."""
        for _ in range(_LOOKED_AT_ONCE):
            full = len(self._found) >= _AT_ONCE or len(self._due) >= MOST_HINTS
            if not self._walks or full:
                return
            path = next(self._walks[0], None)
            if path is not None:
                if path not in self._due and not self._is_known(path):
                    self._found.add(path)
                    self._due[path] = (now, now)
                    self._due.move_to_end(path, last=False)
            elif self._walks.popleft() is self._full:
                self._last_look = self._look

    def _is_known(self, path: Path) -> bool:
        try:
            return identity_of(path.lstat()) in self._remembered
        except OSError:
            return True  # it is gone

    # Judging

    def _first_due(self) -> Iterator[tuple[float, float]]:
        for times in self._due.values():
            yield times
            return

    def _begin_due(self, now: float) -> None:
        while self._in_flight < _AT_ONCE:
            first = next(iter(self._due.items()), None)
            if first is None or first[1][0] > now:
                return
            path, (_, since) = first
            del self._due[path]
            self._found.discard(path)
            self._begin(path, since, now)

    def _begin(self, path: Path, since: float, now: float) -> None:
        try:
            fd = os.open(path, _OPEN)
        except OSError:
            self._unreadable += os.path.lexists(path) and not path.is_symlink()
            return
        status = os.fstat(fd)
        identity = identity_of(status)
        young = abs(time.time() - status.st_ctime) < self._quiet_s
        wanted = stat.S_ISREG(status.st_mode) and identity not in self._remembered
        if wanted and (not young or now - since >= self._rescan_s):
            self._submit(path, fd, identity)
            return
        os.close(fd)
        if wanted:
            self._due[path] = (now + self._quiet_s, since)

    def _submit(self, path: Path, fd: int, identity: FileIdentity) -> None:
        self._remembered[identity] = None
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        transfer = new_transfer(
            zone=self._zone.zone,
            host=self._host,
            path=escape_name(str(path)),
            identity=identity,
            opener=None,
        )
        self._in_flight += 1
        self._judging.begin(path, fd, transfer, self._settle)

    def _settle(self, judged: Judged[Path]) -> None:
        self._in_flight -= 1
        receipt = replace(
            receipt_of(judged.transfer, judged.decision, 0), enforcement=Enforcement.NOT_ENFORCED
        )
        if identity_of(os.fstat(judged.fd)) != judged.transfer.identity:
            self._expect(judged.subject, time.monotonic())
        self.counts[judged.decision.verdict.value.lower()] += 1
        self._judging.finish(judged, receipt)
