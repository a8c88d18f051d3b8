"""Follow a growing file: what is judged is appended to another file, every byte once.

Rules enforced here:

1. The file is held by an O_PATH descriptor, which reads nothing and is no reader: it stays
   the same file when its name moves on, and while the agent restarts.
2. What was written a moment ago waits one step, so that what is written in one go is judged
   as one.
3. A rotated file is followed to its end before the new one is begun; one that was cut is
   begun again.
4. Where it stands is on disk after every step, beside the target: a follower that is started
   again goes on there. Of what it had appended without noting it, nothing is appended twice.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lockgate.agent.control import NoAgentError
from lockgate.agent.durable import write_durably
from lockgate.agent.release.client import DeskLine, DeskLostError, Handed
from lockgate.agent.release.increments import CONTEXT, releasable

_BLOCK = 1 << 20
_TRY_AGAIN = frozenset({errno.EAGAIN, errno.EBUSY})
#: Seconds without growth after which a rotated file has ended: its writer is told to reopen.
_QUIET_S = 5.0


class RefusedError(Exception):
    """Something in the file may not leave; the text says why."""


@dataclass(slots=True)
class _Source:
    """The file that is followed now.

    ``settled``: how far it reached a step ago; ``asked``: how far it was asked for;
    ``grown``: when it last grew, or had its name, by the monotonic clock.
    """

    fd: int
    offset: int
    settled: int = 0
    asked: int = -1
    grown: float = 0.0

    @property
    def identity(self) -> tuple[int, int]:
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino


class Follower:
    """Appends the judged part of ``path`` to ``target``; call :meth:`step` again and again."""

    def __init__(
        self,
        run_dir: Path,
        path: Path,
        target: Path,
        complain: Callable[[str], None],
        quiet_s: float = _QUIET_S,
    ) -> None:
        """``complain`` is told, in a sentence, of what does not go on."""
        self._run_dir = run_dir
        self._path = path
        self._target = target
        self._complain = complain
        self._quiet_s = quiet_s
        self._position = target.with_name(f"{target.name}.position")
        self._line: DeskLine | None = None
        self._source: _Source | None = None

    def step(self) -> int:
        """Append what may be appended now; how many bytes that were.

        Raises:
            RefusedError: something in the file may not leave.
            OSError: file or target cannot be opened.
        """
        if self._source is None:
            self._source = self._begin()
        if self._source is None:
            return 0
        try:
            return self._advance(self._source)
        except (NoAgentError, DeskLostError) as error:
            self.close_line()
            self._complain(str(error))
        except OSError as error:
            if error.errno not in _TRY_AGAIN:
                raise
            self._complain(f"waiting: {error.strerror}")
        return 0

    def close_line(self) -> None:
        """End the connection; the next step makes another."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def close(self) -> None:
        """Stop following."""
        self.close_line()
        if self._source is not None:
            os.close(self._source.fd)
            self._source = None

    def _begin(self) -> _Source | None:
        try:
            fd = os.open(self._path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        return _Source(fd, self._noted(os.fstat(fd)))

    def _noted(self, status: os.stat_result) -> int:
        """Where an earlier follower stood in this very file, counting what it had not noted."""
        try:
            noted = json.loads(self._position.read_bytes())
            same = (noted["device"], noted["inode"]) == (status.st_dev, status.st_ino)
            more = self._target.stat().st_size - int(noted["written"])
            offset = int(noted["offset"]) + max(0, more)
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return offset if same and offset <= status.st_size else 0

    def _advance(self, source: _Source) -> int:
        size, now = os.fstat(source.fd).st_size, time.monotonic()
        if size < source.offset:
            source.offset, source.settled, source.asked = 0, 0, -1
        if size != source.settled or not self._moved_on(source):
            source.grown = now
        ended = now - source.grown >= self._quiet_s
        done = 0
        if source.settled > source.offset and (source.settled != source.asked or ended):
            done = self._take(source, last=ended)
        source.settled = size
        if ended and not done:
            self._end(source, size)
        return done

    def _moved_on(self, source: _Source) -> bool:
        with suppress(OSError):
            status = self._path.stat()
            return (status.st_dev, status.st_ino) != source.identity
        return False

    def _end(self, source: _Source, size: int) -> None:
        if source.offset < size:
            kept = size - source.offset
            self._complain(
                f"the rotated file ends in {kept} bytes that may be the beginning of a key; "
                "they were not released"
            )
        os.close(source.fd)
        self._source = None

    def _take(self, source: _Source, *, last: bool) -> int:
        if self._line is None:
            self._line = DeskLine(self._run_dir)
        parts = {"first": source.offset, "settled": source.settled, "last": last}
        handed = self._line.open(f"/proc/self/fd/{source.fd}", parts=parts)
        try:
            if handed.passing:
                self._complain(f"waiting: {handed.message}")
                return 0
            if handed.fd < 0:
                raise RefusedError(_why(handed))
            if handed.direct:
                handed = _bounded(handed, source, last=last)
            done = self._append(handed)
        finally:
            handed.close()
        if handed.end is not None and done < handed.end - handed.first:
            raise RefusedError("the file was cut while it was read; start again")
        source.offset += done
        source.asked = source.settled
        self._note(source)
        return done

    def _append(self, handed: Handed) -> int:
        assert handed.end is not None
        at = handed.first
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        target = os.open(self._target, flags, 0o640)
        try:
            while at < handed.end:
                block = os.pread(handed.fd, min(_BLOCK, handed.end - at), at)
                if not block:
                    break
                view = memoryview(block)
                while view:
                    view = view[os.write(target, view) :]
                at += len(block)
        finally:
            os.close(target)
        return at - handed.first

    def _note(self, source: _Source) -> None:
        device, inode = source.identity
        written = self._target.stat().st_size
        record = {"device": device, "inode": inode, "offset": source.offset, "written": written}
        write_durably(self._position, record)


def _bounded(handed: Handed, source: _Source, *, last: bool) -> Handed:
    """What may leave of a file that was judged whole and lies open before us."""
    behind = max(0, source.settled - 2 * CONTEXT)
    content = os.pread(handed.fd, source.settled - behind, behind)
    end = max(source.offset, behind + releasable(content, last=last))
    return Handed(handed.fd, source.offset, end, direct=True)


def _why(handed: Handed) -> str:
    reason = f" ({handed.reason.value})" if handed.reason else ""
    return f"{handed.verdict.value}{reason}: {handed.message}"
