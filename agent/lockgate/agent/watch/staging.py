"""The folders of one outbox, and the steps by which a file goes through them.

::

    outbox/a/b  --take-->  .staged/ID/file/a/b   the sender's file, out of the sender's reach
                --copy-->  .staged/ID/copy       our copy: the bytes that are judged
                --seal-->  .staged/ID/file/a/b   the copy, in place of the sender's file
                           released/a/b          after an ALLOW, else held/a/b with its reason

Rules enforced here:

1. What is released is a copy of ours, which no descriptor, mapping or hard link of the sender
   leads to. Its bytes are those that were judged.
2. Every step is one rename, and no other record is kept: whatever dies, a file is in the
   outbox, or in ``.staged`` (and is judged again), or in ``released`` or ``held``. The last
   rename is the release, so there is exactly one.
3. The copy is on the disk before it takes the place of the sender's file.
4. No file is replaced; a name that is taken gets the id of the step in front.
5. Links are not followed, also not in the middle of a path, and what is staged is never looked
   for in a sender's folder: who made it may still change it. What is not a regular file, or
   cannot be copied now, stays in the outbox or is put back there.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lockgate.agent.durable import rename_exclusively, sync_directory, write_durably
from lockgate.agent.guard.cache import Inode
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.watch.copying import copy_bytes
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import FileIdentity

OUTBOX, RELEASED, HELD, STAGED = "outbox", "released", "held", ".staged"
WHY_SUFFIX = ".lockgate.json"
_FILE, _COPY, _WHY = "file", "copy", "why.json"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST_NAME = 255
_LARGEST_WHY = 16 << 20
_SYNCS_AT_ONCE = 16


class StagingError(Exception):
    """An outbox that cannot be served; the text says why and what to do."""


class NotReadyError(Exception):
    """A file that cannot be taken or copied now; ``why`` is a word for the counts."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Staged:
    """A file in ``.staged``. ``relative`` is its path below the outbox.

    ``source``: the sender's file when it was copied. ``losses``: scans of it that were lost.
    """

    key: str
    relative: Path
    source: FileIdentity | None = None
    losses: int = 0


class Staging:
    """The folders of the outbox ``base``; one agent at a time."""

    def __init__(self, base: Path) -> None:
        """Make the folders that are missing.

        Raises:
            StagingError: another agent serves this outbox, or others may write to its folders.
            OSError: they cannot be made.
        """
        self.outbox = base / OUTBOX
        self.released = base / RELEASED
        self.held = base / HELD
        self._staged = base / STAGED
        for folder, mode in ((self.outbox, 0o755), (self.released, 0o755)):
            folder.mkdir(mode, parents=True, exist_ok=True)
        for folder in (self.held, self._staged):
            folder.mkdir(0o700, exist_ok=True)
        for folder in (self.released, self.held, self._staged):
            _check_ours(folder)
        self._syncing = ThreadPoolExecutor(_SYNCS_AT_ONCE, thread_name_prefix="outbox-sync")
        self._lock = os.open(self._staged, _DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StagingError(f"{base}: another agent serves this outbox; end it first") from None

    def close(self) -> None:
        """Let another agent serve this outbox."""
        self._syncing.shutdown()
        os.close(self._lock)

    def left_over(self, active: Container[str]) -> Iterator[Staged]:
        """What is staged and not ``active``: an agent that took it died.

        Unfinished holds are finished on the way.
        """
        for entry in sorted(self._staged.iterdir()):
            if entry.name in active:
                continue
            _drop_unfinished(entry)
            found = _first_below(entry / _FILE)
            if found is not None:
                yield Staged(entry.name, found.relative_to(entry / _FILE))
            else:
                self._finish_hold(entry)
                _clear(entry)

    def take(
        self, relative: Path, quiet_s: float, now: float, judged: Container[Inode] = ()
    ) -> Staged:
        """Take a file out of the outbox, when nobody writes it and it is ``quiet_s`` old.

        A file among the ``judged`` stays, under whatever name: moving it would look as if it
        had changed (rename(2) sets the time of change).

        Raises:
            NotReadyError: it is young, being written, being judged, or no regular file.
            OSError: it cannot be read or moved; it is where it was.
        """
        with _parent_of(self.outbox, relative) as parent:
            fd = os.open(relative.name, _READ, dir_fd=parent)
            try:
                _check_ready(fd, quiet_s, now, judged)
            finally:
                os.close(fd)
            staged = Staged(uuid7(), relative)
            place = self._place(staged)
            try:
                self._make_folders(staged)
                os.rename(relative.name, place, src_dir_fd=parent)
            except OSError:
                _clear(self._staged / staged.key)
                raise
        return staged

    def copy(self, staged: Staged) -> int:
        """Our copy of a taken file, as a descriptor to read.

        Raises:
            NotReadyError: it is being written, or something else was put under its name.
            OSError: it cannot be read, or the disk is full.
        """
        source = os.open(self._place(staged), _READ)
        try:
            _check_regular(source)
            before = identity_of(os.fstat(source))
            fd = self._copy_of(source, self._staged / staged.key / _COPY)
            if is_written(source) or identity_of(os.fstat(source)) != before:
                os.close(fd)
                raise NotReadyError("written")
        finally:
            os.close(source)
        staged.source = before
        return fd

    def make_durable(self, fds: Sequence[int]) -> None:
        """Have copies on the disk, which must be so before they are released or held.

        Several at once, so that the filesystem's journal is written once for many.

        Raises:
            OSError: the disk refused.
        """
        list(self._syncing.map(os.fsync, fds))

    def unchanged(self, staged: Staged) -> bool:
        """Whether the sender's file still is what was copied."""
        try:
            return identity_of(os.lstat(self._place(staged))) == staged.source
        except OSError:
            return False

    def release(self, staged: Staged) -> Path:
        """Let the durable copy appear in ``released``; the place it got.

        :meth:`settle` makes it last.

        Raises:
            OSError: not now; the file is still staged.
        """
        self._seal(staged)
        return self._publish(staged, self.released)

    def hold(self, staged: Staged, why: Mapping[str, object]) -> Path:
        """Let the durable copy appear in ``held``, with ``why`` in a JSON file beside it.

        Raises:
            OSError: not now; the file is still staged.
        """
        self._seal(staged)
        target = self._free_place(self.held, staged)
        record = self._staged / staged.key / _WHY
        write_durably(record, {**why, "held_as": os.fsdecode(target.relative_to(self.held))})
        self._publish(staged, self.held)
        self._finish_hold(self._staged / staged.key)
        return target

    def settle(self, places: Mapping[str, Path]) -> None:
        """Make releases and holds last through a power cut; ``places`` by the staged keys.

        Raises:
            OSError: the disk refused.
        """
        list(self._syncing.map(_sync_if_there, {place.parent for place in places.values()}))
        for key in places:
            _clear(self._staged / key)

    def put_back(self, staged: Staged) -> None:
        """Give a file back to the outbox, as it was; under another name if that is taken.

        Raises:
            OSError: it stays staged, and is found there at the next look.
        """
        self.drop_copy(staged)
        names = _names(staged.relative.name, staged.key)
        with _parent_of(self.outbox, staged.relative, make=True) as parent:
            for name in names:
                with suppress(FileExistsError):
                    rename_exclusively(self._place(staged), name, target_dir=parent)
                    break
        _clear(self._staged / staged.key)

    def give_back(self, transfer_id: str, sha256: str) -> Path | None:
        """Put the held file of a transfer back into the outbox, by one rename; where it is now.

        None: nothing of that transfer, and with that content when it was judged, is held.

        Raises:
            OSError: it could not be moved; it is still held.
        """
        for why in self.held.rglob(f"*{WHY_SUFFIX}"):
            held = why.with_name(why.name.removesuffix(WHY_SUFFIX))
            known, content = _told_of(why)
            if known != transfer_id or (sha256 and content != sha256) or not held.is_file():
                continue
            relative = held.relative_to(self.held)
            with _parent_of(self.outbox, relative, make=True) as parent:
                for name in _names(relative.name, uuid7()):
                    with suppress(FileExistsError):
                        rename_exclusively(held, name, target_dir=parent)
                        why.unlink()
                        return self.outbox / relative.with_name(name)
        return None

    def drop_copy(self, staged: Staged) -> None:
        """Remove our copy, so that another can be made."""
        (self._staged / staged.key / _COPY).unlink(missing_ok=True)

    def _make_folders(self, staged: Staged) -> None:
        at = self._staged
        for part in (staged.key, _FILE, *staged.relative.parts[:-1]):
            at /= part
            at.mkdir(0o700)

    def _place(self, staged: Staged) -> Path:
        return self._staged / staged.key / _FILE / staged.relative

    def _copy_of(self, source: int, path: Path) -> int:
        """A copy that is ours and read-only for all, with the time of the source.

        The group is that of ``released``, so that whoever collects there can read it; the
        sender gets no right to it, and others may read it if they might before.
        """
        status = os.fstat(source)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            copy_bytes(source, target, status.st_size)
            with suppress(PermissionError):
                os.fchown(target, -1, self.released.stat().st_gid)
            os.fchmod(target, 0o440 | status.st_mode & 0o004)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(target)
        return os.open(path, _READ)

    def _seal(self, staged: Staged) -> None:
        with suppress(FileNotFoundError):  # sealed already, when a hold or release was refused
            (self._staged / staged.key / _COPY).replace(self._place(staged))

    def _publish(self, staged: Staged, folder: Path) -> Path:
        target = self._free_place(folder, staged)
        for parent in reversed(target.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(0o755, exist_ok=True)
        rename_exclusively(self._place(staged), target)
        return target

    def _free_place(self, folder: Path, staged: Staged) -> Path:
        """Where nothing is yet; only we put names into ``folder``."""
        parent = folder
        for part in staged.relative.parts[:-1]:
            parent = _folder_below(parent, part, staged.key)
        for name in _names(staged.relative.name, staged.key):
            sidecar = f"{name}{WHY_SUFFIX}"
            fits = folder != self.held or len(os.fsencode(sidecar)) <= _LONGEST_NAME
            taken = os.path.lexists(parent / name) or (fits and os.path.lexists(parent / sidecar))
            if fits and not taken:
                return parent / name
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _finish_hold(self, entry: Path) -> None:
        """Put the reason beside what is held; nothing was held, then the reason is void."""
        try:
            held = self.held / json.loads((entry / _WHY).read_bytes())["held_as"]
        except FileNotFoundError:
            return
        if os.path.lexists(held):
            (entry / _WHY).replace(held.with_name(held.name + WHY_SUFFIX))
        else:
            (entry / _WHY).unlink()


def _told_of(why: Path) -> tuple[str, str]:
    """Transfer and SHA-256 of a held file, from what stands beside it; empty: it does not say."""
    try:
        if why.is_symlink() or why.stat().st_size > _LARGEST_WHY:
            return "", ""
        said = json.loads(why.read_bytes())
        return str(said["transfer_id"]), str(said["report"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def is_written(fd: int) -> bool:
    """Whether somebody has the file open to write, or mapped so.

    Where no lease can be had (another user's file without CAP_LEASE, a filesystem without
    leases) it is not known; then the quiet time and the identity are what there is.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _check_ready(fd: int, quiet_s: float, now: float, judged: Container[Inode]) -> None:
    _check_regular(fd)
    status = os.fstat(fd)
    if (status.st_dev, status.st_ino) in judged:
        raise NotReadyError("judged under another name")
    # The time of change cannot be set by its owner; a clock set back puts it in the future.
    if abs(now - status.st_ctime) < quiet_s:
        raise NotReadyError("young")
    if is_written(fd):
        raise NotReadyError("written")


def _check_regular(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise NotReadyError("special")


def _check_ours(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise StagingError(
            f"{folder}: must be a folder of the agent's own user that nobody else may write to"
        )


@contextmanager
def _parent_of(outbox: Path, relative: Path, *, make: bool = False) -> Iterator[int]:
    """The directory of a path below the outbox, without following a link."""
    at = os.open(outbox, _DIRECTORY)
    try:
        for part in relative.parts[:-1]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=at)
            inner = os.open(part, _DIRECTORY, dir_fd=at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def _names(name: str, key: str) -> tuple[str, ...]:
    """Names to try, all within what a filesystem takes."""
    longer = f"{key}-{name}"
    return (name, longer, key) if len(os.fsencode(longer)) <= _LONGEST_NAME else (name, key)


def _first_below(folder: Path) -> Path | None:
    """The first thing that is no folder of ours; nobody goes into what a sender made."""
    waiting = [folder] if folder.is_dir() else []
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if not _is_ours(path.lstat()):
                return path
            waiting.append(path)
    return None


def _is_ours(status: os.stat_result) -> bool:
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return ours and not status.st_mode & 0o077


def _folder_below(parent: Path, name: str, key: str) -> Path:
    """The folder ``name``, or under another name when that is a file's."""
    for candidate in (parent / possible for possible in _names(name, key)):
        if not os.path.lexists(candidate) or stat.S_ISDIR(candidate.lstat().st_mode):
            return candidate
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _sync_if_there(folder: Path) -> None:
    """Whoever collects may have taken file and folder already."""
    with suppress(FileNotFoundError):
        sync_directory(folder)


def _drop_unfinished(entry: Path) -> None:
    """Remove what was being written: a copy, or a reason under its temporary name."""
    for path in entry.iterdir():
        if path.name not in {_FILE, _WHY}:
            path.unlink()


def _clear(entry: Path) -> None:
    """Remove an entry's empty directories; a file that is still there keeps it."""
    for parent, _, _ in os.walk(entry, topdown=False):
        with suppress(OSError):
            Path(parent).rmdir()
