"""Outbox mode: a file put into ``DIR/outbox`` crosses once, after a verdict, or is held.

Rules enforced here:

1. An event only wakes: what there is to do stands in the folders (:mod:`.staging`), which are
   looked through after every event and at intervals. No list of files is kept, so a storm
   needs no memory, and nothing of it is missed.
2. A few files at a time are taken; the others wait in the outbox.
3. A hold that says nothing about the file (the controller is away, a full spool) is asked
   again, with pauses, and nothing new is taken meanwhile. A lost worker is tried again twice.
4. What changed after it was copied is put back and judged anew.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockgate.agent.config import ZoneSettings
from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.verdicts.transfers import new_transfer, receipt_of
from lockgate.agent.watch.judging import TRANSIENT, Judged, Judging
from lockgate.agent.watch.rescan import Look, files_below
from lockgate.agent.watch.sources import Source
from lockgate.agent.watch.staging import NotReadyError, Staged, Staging
from lockgate.scan.names import escape_name
from lockgate.scan.report import GapReason, report_to_json
from lockgate.wire.transfer import Boundary, Enforcement, HoldReason, Receipt, Verdict

_AT_ONCE = 64
_MOST_LOSSES = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_AFTER_FAILURE_S = 5.0
_SHORTEST_TURN_S = 0.02
#: Why a file stays in the outbox that may be ready at any moment.
_SOON = frozenset({"young", "written", "judged under another name"})


class Outbox:
    """One zone's outbox; closes ``staging`` and ``source``, which watches the outbox folder.

    Times in seconds: ``quiet_s`` a file must be unchanged before it is taken.
    """

    AGAIN = "every file in the outbox is scanned when it is taken; what is held stays held"

    def __init__(
        self,
        zone: ZoneSettings,
        host: str,
        judging: Judging[Staged],
        staging: Staging,
        source: Source,
        *,
        quiet_s: float = 0.5,
        rescan_s: float = 30.0,
    ) -> None:
        self._zone = zone
        self._host = host
        self._judging = judging
        self._quiet_s = quiet_s
        self._rescan_s = rescan_s
        self._staging = staging
        self._source = source
        self._active: set[str] = set()
        self._ask_again: deque[Judged[Staged]] = deque()
        self._asking = 0
        self._decided: list[Judged[Staged]] = []
        self._pause_s = 0.0
        self._resume = 0.0
        self._next_look = 0.0
        self._woken = True
        self._pass: Iterator[Path | Staged] | None = None
        self._seen, self._last_seen = Look(), Look()
        self._missed: Counter[str] = Counter()
        self._last_missed: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def filenos(self) -> Sequence[int]:
        """Descriptors to poll."""
        return (self._source.fileno(),)

    def turn(self) -> float:
        """Do what can be done now; seconds until there may be more without an event."""
        now = time.monotonic()
        if self._source.collect():
            self._woken = True
        self._conclude()
        self._ask(now)
        self._take(now)
        times = [self._next_look]
        if self._ask_again:
            times.append(self._resume)
        elif self._woken and self._pass is None:
            times.append(now)
        return max(_SHORTEST_TURN_S, min(times) - now)

    def status(self) -> dict[str, Any]:
        """Facts for status; see :func:`lockgate.agent.watching.run_watch`."""
        return {
            "zone": escape_name(str(self._zone.path)),
            "pending": len(self._active),
            "counts": dict(self.counts),
            "reasons": list(self._reasons()),
        }

    def look_again(self) -> None:
        """See :class:`lockgate.agent.watch.watch.WatchedZone`; nothing is remembered here."""
        self._woken = True

    def give_back(self, transfer_id: str, sha256: str) -> Path | None:
        """Put the held file of a transfer into the outbox again; where. From any thread.

        ``sha256``: what it must have been when it was judged; empty: anything.

        Raises:
            OSError: it could not be moved; it is still held.
        """
        return self._staging.give_back(transfer_id, sha256)

    def close(self) -> None:
        """Stop; what is staged is judged again by the next agent."""
        for judged in (*self._ask_again, *self._decided):
            os.close(judged.fd)
        self._source.close()
        self._staging.close()

    def _reasons(self) -> Iterator[str]:
        yield from self._source.weaknesses(self._last_seen.directories)
        if self._ask_again:
            reason = self._ask_again[0].decision.hold_reason
            yield f"no file can be judged now ({reason}); what is in the outbox waits"
        for why, count in sorted(self._last_missed.items()):
            yield f"left in the outbox at the last look: {count} ({why})"
        if self._last_seen.special:
            yield f"left in the outbox: {self._last_seen.special} that are no regular files"
        if self._last_seen.unreadable:
            yield f"folders of the outbox that cannot be read: {self._last_seen.unreadable}"
        yield from _exposures(self._zone.path)

    # Taking files

    def _take(self, now: float) -> None:
        if self._pass is None and (self._woken or now >= self._next_look):
            self._begin_pass(now)
        while self._pass is not None and len(self._active) < _AT_ONCE and not self._ask_again:
            found = next(self._pass, None)
            if found is None:
                self._end_pass()
            else:
                self._begin(found)

    def _begin_pass(self, now: float) -> None:
        self._woken = False
        self._next_look = now + self._rescan_s
        self._seen, self._missed = Look(), Counter()
        self._pass = self._look()

    def _look(self) -> Iterator[Path | Staged]:
        yield from self._staging.left_over(self._active)
        for path in files_below(self._staging.outbox, self._seen):
            yield path.relative_to(self._staging.outbox)

    def _end_pass(self) -> None:
        self._pass = None
        self._last_seen, self._last_missed = self._seen, self._missed
        soon = self._missed.keys() & _SOON
        later = self._missed.keys() - _SOON
        waits = [self._quiet_s] * bool(soon) + [_AFTER_FAILURE_S] * bool(later)
        self._next_look = min([self._next_look, *(time.monotonic() + wait for wait in waits)])

    def _begin(self, found: Path | Staged) -> None:
        """Take, copy and submit one file; whatever fails leaves it in the outbox, counted."""
        staged = None
        try:
            if isinstance(found, Staged):
                staged = found
            else:
                judged = self._judging.sources.values()
                staged = self._staging.take(found, self._quiet_s, time.time(), judged)
            fd = self._staging.copy(staged)
        except FileNotFoundError:
            return  # the sender took it back
        except (NotReadyError, OSError) as error:
            self._missed[_word_of(error)] += 1
            if staged is not None:
                self._put_back(staged)
            return
        self._submit(staged, fd)

    def _submit(self, staged: Staged, fd: int) -> None:
        self._active.add(staged.key)
        self._judging.sources[staged.key] = _inode_of(staged)
        transfer = new_transfer(
            zone=self._zone.zone,
            host=self._host,
            path=escape_name(str(self._staging.outbox / staged.relative)),
            identity=identity_of(os.fstat(fd)),
            opener=None,
            boundary=Boundary.OUTBOX,
        )
        self._judging.begin(staged, fd, transfer, self._settle)

    # Settling them

    def _settle(self, judged: Judged[Staged]) -> None:
        if judged.decision.hold_reason in TRANSIENT:
            self._postpone(judged)
        else:
            self._pause_s = 0.0
            self._decided.append(judged)

    def _postpone(self, judged: Judged[Staged]) -> None:
        """Keep a file until the decider can be asked; one of them asks for all."""
        now = time.monotonic()
        if now >= self._resume:
            self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
            self._resume = now + self._pause_s
        if judged.decision.hold_reason is not HoldReason.SPOOL_FULL:  # else nobody was asked
            self._judging.postpone(judged, "not decided in time; it is asked again")
        self._ask_again.append(judged)
        self.counts["postponed"] += 1

    def _ask(self, now: float) -> None:
        """Ask about what was postponed: one file after a pause, all once that was answered."""
        if self._pause_s and (now < self._resume or self._asking):
            return
        for _ in range(1 if self._pause_s else len(self._ask_again)):
            if self._ask_again:
                self._judging.ask_again(self._ask_again.popleft(), self._answered)
                self._asking += 1

    def _answered(self, judged: Judged[Staged]) -> None:
        self._asking -= 1
        self._settle(judged)

    def _conclude(self) -> None:
        """Move what is decided, as one batch: two waits for the disk, however many files."""
        decided, self._decided = self._decided, []
        if not decided:
            return
        broken = self._make_durable(decided)
        places: dict[str, Path] = {}
        receipts = [self._receipt(judged, places, broken) for judged in decided]
        with suppress(OSError):  # what is not durable is staged again after a power cut
            self._staging.settle(places)
        for judged, receipt in zip(decided, receipts, strict=True):
            self.counts[judged.decision.verdict.value.lower()] += 1
            self._judging.finish(judged, receipt)

    def _make_durable(self, decided: Sequence[Judged[Staged]]) -> OSError | None:
        try:
            self._staging.make_durable([judged.fd for judged in decided])
        except OSError as error:
            return error
        return None

    def _receipt(
        self, judged: Judged[Staged], places: dict[str, Path], broken: OSError | None
    ) -> Receipt:
        """Move one file, and what is to be said of it; where it went is put into ``places``."""
        staged, receipt = judged.subject, receipt_of(judged.transfer, judged.decision, 0)
        self._active.discard(staged.key)
        self._judging.sources.pop(staged.key, None)
        refused = replace(receipt, enforcement=Enforcement.DENIED)
        try:
            if broken:
                raise broken
            if detail := self._not_settled(judged):
                return replace(refused, detail=detail)
            place = places[staged.key] = self._move(judged)
        except OSError as error:
            self._put_back(staged)
            self._missed[_word_of(error)] += 1
            why = f"not moved, put back into the outbox: {error.strerror}"
            return replace(refused, detail=why)
        done = receipt if judged.decision.verdict is Verdict.ALLOW else refused
        return replace(done, detail=f"moved to {escape_name(str(place))}")

    def _not_settled(self, judged: Judged[Staged]) -> str:
        """Why the file is judged once more instead of moved; empty: it can be moved."""
        if self._was_lost(judged):
            self._again(judged.subject)
            return "the scan was lost; the file is scanned again"
        if not self._is_what_was_judged(judged):
            self._put_back(judged.subject)
            return "changed while it was judged; it is judged again"
        return ""

    def _move(self, judged: Judged[Staged]) -> Path:
        if judged.decision.verdict is Verdict.ALLOW:
            return self._staging.release(judged.subject)
        return self._staging.hold(judged.subject, _why(judged))

    def _was_lost(self, judged: Judged[Staged]) -> bool:
        lost = any(gap.reason is GapReason.WORKER_LOST for gap in judged.report.gaps)
        return lost and judged.subject.losses < _MOST_LOSSES

    def _again(self, staged: Staged) -> None:
        """Scan a staged file once more, from a fresh copy."""
        self.counts["lost_scans"] += 1
        staged.losses += 1
        self._staging.drop_copy(staged)
        try:
            fd = self._staging.copy(staged)
        except NotReadyError:
            self._put_back(staged)
        else:
            self._submit(staged, fd)

    def _is_what_was_judged(self, judged: Judged[Staged]) -> bool:
        ours = identity_of(os.fstat(judged.fd)) == judged.transfer.identity
        return ours and self._staging.unchanged(judged.subject)

    def _put_back(self, staged: Staged) -> None:
        """Back into the outbox, which is looked through again soon."""
        self.counts["put_back"] += 1
        with suppress(OSError):
            self._staging.put_back(staged)
        self._next_look = min(self._next_look, time.monotonic() + _AFTER_FAILURE_S)


def _inode_of(staged: Staged) -> Inode:
    """The sender's file, when it has been copied."""
    return (0, 0) if staged.source is None else (staged.source.device, staged.source.inode)


def _why(judged: Judged[Staged]) -> dict[str, object]:
    """What stands beside a held file."""
    decision = judged.decision
    return {
        "path": judged.transfer.path,
        "transfer_id": judged.transfer.transfer_id,
        "verdict": decision.verdict.value,
        "hold_reason": decision.hold_reason.value if decision.hold_reason else None,
        "rule": decision.rule,
        "message": decision.message,
        "time": datetime.now(UTC).isoformat(),
        "report": report_to_json(judged.report),
    }


def _word_of(error: NotReadyError | OSError) -> str:
    if isinstance(error, NotReadyError):
        return error.why
    return os.strerror(error.errno).lower() if error.errno else "refused"


def _exposures(base: Path) -> Iterator[str]:
    """Why somebody could put a file past the outbox."""
    status = base.stat()
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        yield "others than the agent's user may rename the folders of this outbox"
