"""Taking one core in: from the first byte of the stream to the sealed dump.

Rules enforced here:

1. The crashed process is let go as soon as its last byte has come: neither fsync(2) nor
   digest nor scan is waited for.
2. It is let go in any case: when nothing comes, when the disk does not take it, when the
   stream lies about its length, when too many come at once. The dump is then not whole, or
   not kept, and says so.
3. Of a crash loop the front is read and nothing else.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lockgate.agent.intake import identify
from lockgate.agent.intake.corefile import (
    CoreFront,
    NotACoreError,
    bytes_needed,
    read_front,
)
from lockgate.agent.intake.entry import Crash, Entry, State, Why
from lockgate.agent.intake.loops import CrashLoops
from lockgate.agent.intake.store import Incoming, NoRoomError, Store
from lockgate.agent.intake.stream import Stream
from lockgate.wire.ids import uuid7

_CHUNK_BYTES = 1 << 20
_WATCH_S = 0.25
#: nice(2) while a process waits, and behind it.
_URGENT, _PATIENT = -10, 19


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bounds of one dump, in seconds and bytes.

    A process waits ``patience_s``, and a second more for each ``bytes_per_second`` of its core.
    """

    parallel: int = 4
    slot_s: float = 1.0
    stall_s: float = 2.0
    patience_s: float = 1.0
    bytes_per_second: int = 25 << 20

    def time_for(self, size: int) -> float:
        """Seconds that a core of ``size`` bytes may take."""
        return self.patience_s + size / self.bytes_per_second


class Reception:
    """Takes cores into one store, several at a time."""

    def __init__(self, store: Store, loops: CrashLoops, limits: IntakeLimits) -> None:
        self._store = store
        self._loops = loops
        self.limits = limits
        self._slots = threading.Semaphore(limits.parallel)
        self._lock = threading.Lock()
        self._running: dict[Stream, float] = {}

    @property
    def receiving(self) -> int:
        """How many cores are coming in."""
        return len(self._running)

    def take(self, stream: Stream, crash: Crash, way: str) -> Entry:
        """Take one core in; the stream is closed in any case.

        Raises:
            OSError: not even the entry could be written.
        """
        entry = _new_entry(crash, way)
        began = time.monotonic()
        _set_priority(_URGENT)
        with self._supervised(stream):
            entry, incoming = self._receive(stream, entry)
        entry = replace(entry, seconds=round(time.monotonic() - began, 3))
        if incoming is None:
            return self._store.drop(entry, entry.why)
        _set_priority(_PATIENT)
        return self._seal(entry, incoming)

    @contextmanager
    def letting_go(self) -> Iterator[None]:
        """Cut off late streams for as long as this runs, from a thread of its own."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_WATCH_S):
                self._let_go_late()

        watcher = threading.Thread(target=watch, name="intake-deadlines", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _let_go_late(self) -> None:
        """Cut off every stream that is over its time, whatever its thread waits for."""
        now = time.monotonic()
        with self._lock:
            late = [stream for stream, end in self._running.items() if now > end]
            for stream in late:
                stream.cut()

    def _receive(self, stream: Stream, entry: Entry) -> tuple[Entry, Incoming | None]:
        with identify.memory(entry.crash.opener.pid) as read:
            head, front, why = _read_front(stream)
            if front is not None:
                entry = replace(entry, crash=identify.completed(entry.crash, front, read))
        signature = entry.crash.stack
        size = front.size if front is not None else 0
        with self._lock:
            if signature and not self._loops.keeps(signature, time.time()):
                return replace(entry, why=Why.CRASH_LOOP), None
            self._running[stream] = time.monotonic() + self.limits.time_for(size)
        return self._store_stream(stream, entry, head, size, why)

    def _store_stream(
        self, stream: Stream, entry: Entry, head: bytes, size: int, why: Why
    ) -> tuple[Entry, Incoming | None]:
        if not self._slots.acquire(timeout=self.limits.slot_s):
            return replace(entry, why=Why.BUSY), None
        try:
            incoming = self._store.begin(entry)
        except NoRoomError:
            self._slots.release()
            return replace(entry, why=Why.QUOTA), None
        except OSError:
            self._slots.release()
            return replace(entry, why=Why.DISK), None
        try:
            why = self._copy(stream, incoming, head, size, why)
        except (NoRoomError, OSError) as error:
            incoming.close()
            why = Why.QUOTA if isinstance(error, NoRoomError) else Why.DISK
            return replace(entry, why=why), None
        finally:
            self._slots.release()
        return replace(entry, why=why), incoming

    def _copy(self, stream: Stream, incoming: Incoming, head: bytes, size: int, why: Why) -> Why:
        """Everything that comes; why it is not whole."""
        incoming.append(memoryview(head))
        if why is not Why.NOTHING:
            return why
        view = memoryview(bytearray(_CHUNK_BYTES))
        while incoming.size <= size:
            count, why = self._read(stream, view)
            incoming.append(view[:count])
            if why is not Why.NOTHING:
                return why
            if not count:
                break
        if incoming.size == size:
            return Why.NOTHING
        return Why.TOO_LONG if incoming.size > size else self._early_end(stream)

    def _read(self, stream: Stream, view: memoryview) -> tuple[int, Why]:
        if time.monotonic() > self._running[stream]:
            return 0, Why.DEADLINE
        try:
            return stream.read_into(view), Why.NOTHING
        except TimeoutError:
            return 0, Why.DEADLINE
        except OSError:
            return 0, Why.TRUNCATED

    def _early_end(self, stream: Stream) -> Why:
        late = time.monotonic() > self._running[stream]
        return Why.DEADLINE if late else Why.TRUNCATED

    def _seal(self, entry: Entry, incoming: Incoming) -> Entry:
        try:
            return self._store.seal(entry, incoming)
        except OSError:
            with suppress(OSError):
                incoming.close()
            return self._store.drop(entry, Why.DISK)

    @contextmanager
    def _supervised(self, stream: Stream) -> Iterator[None]:
        with self._lock:
            self._running[stream] = time.monotonic() + self.limits.time_for(0)
        try:
            yield
        finally:
            with self._lock:
                del self._running[stream]
                stream.close()


def _read_front(stream: Stream) -> tuple[bytes, CoreFront | None, Why]:
    """The front's bytes, its facts, and why there are none."""
    head = bytearray()
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    try:
        while (needed := bytes_needed(bytes(head))) > len(head):
            count = stream.read_into(buffer[: min(needed - len(head), len(buffer))])
            if not count:
                return bytes(head), None, Why.TRUNCATED if head else Why.NOT_A_CORE
            head += buffer[:count]
        return bytes(head), read_front(bytes(head)), Why.NOTHING
    except NotACoreError:
        return bytes(head), None, Why.NOT_A_CORE
    except TimeoutError:
        return bytes(head), None, Why.DEADLINE
    except OSError:
        return bytes(head), None, Why.TRUNCATED


def _set_priority(nice: int) -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def _new_entry(crash: Crash, way: str) -> Entry:
    return Entry(uuid7(), datetime.now(UTC).isoformat(), way, State.RECEIVING, crash)
