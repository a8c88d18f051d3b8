"""The intake store: dumps and what is known of them, for root alone.

Rules enforced here:

1. A dump grows under a hidden name that says it is not whole, in a folder that nobody but root
   can enter; it is sealed by fsync(2), its entry, and one rename, in this order.
2. The entry is what counts. After a death between entry and rename the rename is made up for;
   a dump without a sealing entry is removed, and counted as not kept.
3. The store is bounded in bytes on disk and in files. What does not fit is not written; what
   is known of the crash is, of the last crashes.
4. While a dump grows its writer holds a lock on it (F_OFD_SETLK, fcntl(2)), which the kernel
   takes away when the writer dies: so a reader knows whether more will come.
5. Pages of zeros become holes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lockgate.agent.durable import sync_directory
from lockgate.agent.intake.entry import (
    Crash,
    Entry,
    Judgement,
    State,
    Why,
    note_entry,
    read_entries,
    read_entry,
    read_judgement,
    write_entry,
    write_judgement,
)
from lockgate.wire.transfer import Opener

_PAGE = bytes(4096)
_F_OFD_GETLK, _F_OFD_SETLK = 36, 37
_FLOCK = struct.Struct("@hhqqi4x")
#: Entries kept for each dump that may be kept: most are of crashes without one.
_ENTRIES_PER_FILE = 10


class NoRoomError(Exception):
    """The store is full."""


@dataclass(frozen=True, slots=True)
class IntakeQuota:
    """How much the store may hold."""

    max_bytes: int = 64 << 30
    max_files: int = 1_000


class Store:
    """One folder; several processes may use it, one of them at a time takes dumps in."""

    def __init__(self, folder: Path, quota: IntakeQuota | None = None) -> None:
        """Open the store, making what is not there.

        Raises:
            OSError: it cannot be made, or belongs to somebody else.
        """
        self.folder = folder
        self.entries = folder / "entries"
        self.dumps = folder / "dumps"
        self.incoming = folder / ".incoming"
        self.judgements = folder / "judgements"
        self._quota = quota or IntakeQuota()
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for own in (folder, self.entries, self.dumps, self.incoming, self.judgements):
            own.mkdir(mode=0o700, exist_ok=True)
            if own.stat().st_uid != os.geteuid():
                raise PermissionError(f"{own} belongs to somebody else")
            own.chmod(0o700)

    def all(self, but: Container[str] = ()) -> Iterator[Entry]:
        """Every entry whose name is not in ``but``, oldest first."""
        return read_entries(self.entries, but)

    def find(self, entry_id: str) -> Entry | None:
        """One entry."""
        return read_entry(self.entries / f"{entry_id}.json") if _is_name(entry_id) else None

    def write(self, entry: Entry) -> None:
        """Write an entry durably.

        Raises:
            OSError: the disk refused.
        """
        write_entry(self.entries, entry)

    def judge(self, judgement: Judgement) -> None:
        """Write what was decided about an entry.

        Raises:
            OSError: the disk refused.
        """
        write_judgement(self.judgements, judgement)

    def judgement(self, entry_id: str) -> Judgement | None:
        """What was decided about an entry."""
        return read_judgement(self.judgements, entry_id)

    def open_dump(self, entry: Entry) -> int:
        """A descriptor of an entry's dump, sealed or still growing, to read.

        Raises:
            OSError: it is not there.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        if entry.state is State.ELSEWHERE:
            return os.open(entry.path, flags)
        try:
            return os.open(self.incoming / entry.entry_id, flags)
        except FileNotFoundError:
            return os.open(self.dumps / entry.entry_id, flags)

    def room(self) -> int:
        """How many bytes one more dump may take.

        Raises:
            NoRoomError: not one more file may be taken in.
        """
        used = count = 0
        for folder in (self.dumps, self.incoming):
            for item in os.scandir(folder):
                with suppress(FileNotFoundError):
                    used += item.stat(follow_symlinks=False).st_blocks * 512
                    count += 1
        if count >= self._quota.max_files or used >= self._quota.max_bytes:
            raise NoRoomError
        return self._quota.max_bytes - used

    def begin(self, entry: Entry) -> Incoming:
        """Start taking a dump in.

        Raises:
            NoRoomError: the store is full.
            OSError: the disk refused.
        """
        with self._lock:
            room = self.room()
            note_entry(self.entries, entry)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(self.incoming / entry.entry_id, flags, 0o600)
        _lock_for_writing(fd)
        return Incoming(fd, room)

    def seal(self, entry: Entry, incoming: Incoming) -> Entry:
        """Make a dump that came durable, with its entry, and give it its name.

        Raises:
            OSError: the disk refused; the dump is not sealed.
        """
        digest = incoming.finish()
        status = os.fstat(incoming.fd)
        sealed = replace(
            entry,
            state=State.SEALED,
            size=incoming.size,
            stored=status.st_blocks * 512,
            sha256=digest,
        )
        os.fchmod(incoming.fd, 0o400)
        os.fsync(incoming.fd)
        self.write(sealed)
        self._name(entry.entry_id)
        incoming.close()
        return sealed

    def drop(self, entry: Entry, why: Why) -> Entry:
        """Keep only what is known; whatever came of the dump is removed.

        Raises:
            OSError: the disk refused.
        """
        for folder in (self.incoming, self.dumps):
            (folder / entry.entry_id).unlink(missing_ok=True)
        dropped = replace(entry, state=State.NOT_KEPT, why=why)
        self.write(dropped)
        self._forget_oldest()
        return dropped

    def _forget_oldest(self) -> None:
        """A loop must not fill the disk with what is known of it either."""
        names = sorted(path.name for path in self.entries.glob("*.json"))
        excess = len(names) - _ENTRIES_PER_FILE * self._quota.max_files
        for name in names if excess > 0 else ():
            entry = read_entry(self.entries / name)
            if entry is None or entry.state is State.NOT_KEPT:
                (self.entries / name).unlink(missing_ok=True)
                (self.judgements / name).unlink(missing_ok=True)
                excess -= 1
            if not excess:
                return

    def recover(self) -> int:
        """Settle what an intake that died has left; how many dumps were lost."""
        lost = 0
        growing = {path.name for path in self.incoming.iterdir() if _is_growing(path)}
        for path in sorted(self.incoming.iterdir()):
            if path.name in growing:  # a pipe's program takes it in by itself
                continue
            entry = self.find(path.name)
            if entry is not None and entry.state is State.SEALED:
                self._name(entry.entry_id)
            else:
                path.unlink()
                self.write(entry or _of_nobody(path.name))
        for entry in self.all(but=growing):
            if entry.state is State.RECEIVING:
                self.drop(entry, Why.INTAKE_ENDED)
                lost += 1
        return lost

    def _name(self, entry_id: str) -> None:
        (self.incoming / entry_id).rename(self.dumps / entry_id)
        sync_directory(self.dumps)
        sync_directory(self.incoming)


class Incoming:
    """A dump that grows."""

    def __init__(self, fd: int, room: int) -> None:
        self.fd = fd
        self.size = 0
        self._room = room
        self._written = 0

    def append(self, piece: memoryview) -> None:
        """Add bytes; pages of zeros are left out of the disk.

        Raises:
            NoRoomError: they do not fit into the store.
            OSError: the disk refused.
        """
        for start, stop in data_runs(piece):
            self._written += stop - start
            if self._written > self._room:
                raise NoRoomError
            write_at(self.fd, piece[start:stop], self.size + start)
        self.size += len(piece)

    def finish(self) -> str:
        """No more comes: give the file its size; the digest of all of it.

        Raises:
            OSError: the disk refused.
        """
        os.ftruncate(self.fd, self.size)
        os.lseek(self.fd, 0, os.SEEK_SET)
        with open(self.fd, "rb", closefd=False) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    def close(self) -> None:
        """Let go of the file, and with it of the lock."""
        os.close(self.fd)


def data_runs(piece: memoryview) -> Iterator[tuple[int, int]]:
    """``(start, stop)`` of every run of pages that are not all zeros."""
    content = bytes(piece)
    if content and _PAGE not in content:
        yield 0, len(content)
        return
    begin = -1
    for place in range(0, len(content), len(_PAGE)):
        page = content[place : place + len(_PAGE)]
        if page == _PAGE[: len(page)]:
            if begin >= 0:
                yield begin, place
            begin = -1
        elif begin < 0:
            begin = place
    if begin >= 0:
        yield begin, len(content)


def write_at(fd: int, piece: memoryview, position: int) -> None:
    """Write all of ``piece`` at ``position``.

    Raises:
        OSError: the disk refused.
    """
    while piece:
        written = os.pwrite(fd, piece, position)
        piece, position = piece[written:], position + written


def _lock_for_writing(fd: int) -> None:
    fcntl.fcntl(fd, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


def _is_growing(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = fcntl.fcntl(fd, _F_OFD_GETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(fd)
    return int(_FLOCK.unpack(found)[0]) != fcntl.F_UNLCK


def _of_nobody(name: str) -> Entry:
    """The entry of a dump whose own was lost in a power cut."""
    return Entry(name, "", "", State.RECEIVING, Crash(Opener(0)))


def _is_name(text: str) -> bool:
    """Whether a name can be an entry's: it comes from a command line."""
    return bool(text) and all(c.isalnum() or c == "-" for c in text)
