"""Events of a whole filesystem by a notification group, for root: no watch per directory.

Rules enforced here:

1. The queue is unlimited, so a storm loses nothing; an overflow that the kernel tells all the
   same (no memory) is told as lost.
2. A place is resolved by its handle when it is looked at. What is gone by then is passed over;
   what lies outside the folder is not told.
"""

from __future__ import annotations

import os
from pathlib import Path

from lockgate.agent.watch import notification
from lockgate.agent.watch.notification import Event, Handle
from lockgate.agent.watch.sources import MOST_HINTS, Hints

_MASK = (
    notification.CLOSE_WRITE
    | notification.MOVED_TO
    | notification.CREATE
    | notification.ON_DIRECTORY
)


class Notify:
    """Implements :class:`lockgate.agent.watch.sources.Source`."""

    name = "fanotify"

    def __init__(self, folder: Path) -> None:
        """Mark the filesystem of ``folder``.

        Raises:
            OSError: not root, or the filesystem gives no such events.
        """
        self._folder = Path(folder).resolve(strict=True)
        self._group = notification.create(notification.UNLIMITED_QUEUE | notification.REPORT_NAMES)
        try:
            notification.mark(self._group, self._folder, _MASK)
            self._mount = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            os.close(self._group)
            raise
        self._overflows = 0

    def fileno(self) -> int:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        return self._group

    def collect(self) -> Hints:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        files: set[Path] = set()
        folders: set[Path] = set()
        lost = False
        known: dict[Handle, Path | None] = {}
        while len(files) + len(folders) < MOST_HINTS and (events := notification.read(self._group)):
            for event in events:
                if event.mask & notification.OVERFLOW:
                    lost = True
                    self._overflows += 1
                elif path := self._path_of(event, known):
                    (folders if event.mask & notification.ON_DIRECTORY else files).add(path)
        return Hints(tuple(files), tuple(folders), lost)

    def overflows(self) -> int:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        return self._overflows

    def weaknesses(self, directories: int) -> tuple[str, ...]:  # noqa: ARG002 - one mark covers all
        """See :class:`lockgate.agent.watch.sources.Source`."""
        return ()

    def close(self) -> None:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        os.close(self._group)
        os.close(self._mount)

    def _path_of(self, event: Event, known: dict[Handle, Path | None]) -> Path | None:
        """Where it happened, when that is in the folder; ``known`` serves one round."""
        if event.place is None:
            return None
        handle = Handle(event.place.kind, event.place.opaque)
        if handle not in known:
            known[handle] = self._resolve(handle)
        at = known[handle]
        return at / os.fsdecode(event.place.name) if at and event.place.name != b"." else at

    def _resolve(self, handle: Handle) -> Path | None:
        try:
            fd = notification.open_handle(self._mount, handle)
        except OSError:
            return None
        try:
            path = Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 - keeps every byte
        except OSError:
            return None
        finally:
            os.close(fd)
        return path if path.is_relative_to(self._folder) else None
