"""Events below one folder by watchdog, over inotify(7): needs no right but to read.

Rules enforced here:

1. inotify loses events (a full queue, files written at once into a new directory). An
   overflow is told as lost, a new directory as a folder to look into.
2. Watching that cannot begin, or covers only a part of the directories, is a weakness with
   numbers, not an error: looking again at intervals goes on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from lockgate.agent.watch.sources import MOST_HINTS, Hints

_EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
#: watchdog tells of a full queue in this log only.
_OVERFLOW_LOGGER = "watchdog.observers.inotify_c"


class Inotify(FileSystemEventHandler):
    """Implements :class:`lockgate.agent.watch.sources.Source`."""

    name = "inotify"

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._files: set[Path] = set()
        self._folders: set[Path] = set()
        self._lost = False
        self._overflows = 0
        self._failure = ""
        self._log = _OverflowLog(self)
        self._observer = Observer()
        logging.getLogger(_OVERFLOW_LOGGER).addHandler(self._log)
        try:
            self._observer.schedule(self, str(folder), recursive=True, event_filter=_EVENTS)
            self._observer.start()
        except RecursionError:  # watchdog walks a tree by os.walk, which recurses in Python 3.11
            self._failure = "folders too deep"
        except OSError as error:
            self._failure = os.strerror(error.errno) if error.errno else str(error)

    def fileno(self) -> int:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        return self._ready

    def collect(self) -> Hints:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._ready)
            hints = Hints(tuple(self._files), tuple(self._folders), self._lost)
            self._files.clear()
            self._folders.clear()
            self._lost = False
            return hints

    def overflows(self) -> int:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        return self._overflows

    def weaknesses(self, directories: int) -> tuple[str, ...]:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        if self._failure:
            return (f"inotify cannot watch ({self._failure}); files are found at the next look",)
        if not all(emitter.is_alive() for emitter in self._observer.emitters):
            return ("inotify has stopped; files are found at the next look",)
        watched = watches()
        if watched < directories:
            return (
                f"{watched} of {directories} directories are watched (fs.inotify.max_user_watches)",
            )
        return ()

    def close(self) -> None:
        """See :class:`lockgate.agent.watch.sources.Source`."""
        logging.getLogger(_OVERFLOW_LOGGER).removeHandler(self._log)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join(timeout=5)
        os.close(self._ready)

    # Called from watchdog's threads

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Keep where it was."""
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        with self._lock:
            (self._folders if event.is_directory else self._files).add(path)
            if len(self._files) + len(self._folders) > MOST_HINTS:
                self._lose()
            os.eventfd_write(self._ready, 1)

    def overflowed(self) -> None:
        """The kernel has dropped events."""
        with self._lock:
            self._lose()
            os.eventfd_write(self._ready, 1)

    def _lose(self) -> None:
        self._files.clear()
        self._folders.clear()
        self._lost = True
        self._overflows += 1


class _OverflowLog(logging.Handler):
    def __init__(self, source: Inotify) -> None:
        super().__init__(logging.WARNING)
        self._source = source

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage().lower():
            self._source.overflowed()


def watches() -> int:
    """How many inotify watches this process has (proc_pid_fdinfo(5))."""
    count = 0
    for facts in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError), facts.open("rb") as lines:
            count += sum(line.startswith(b"inotify ") for line in lines)
    return count
