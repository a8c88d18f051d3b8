"""Files that may not cross, moved to where nobody but root comes.

Rules enforced here:

1. The move is a rename inside the filesystem: no byte is copied, no link elsewhere revives it
   (the verdict is the inode's), and a power cut leaves the file here or there, never nowhere.
2. What was moved is compared with the descriptor that was judged. A name that led elsewhere
   in the meantime is put back, and the failure is reported.
3. The index stands on another filesystem, one JSON file per entry, written whole with
   fsync(2) before the rename, so that nothing lies in the store without an entry.
4. The store is bounded in bytes and files. Full means that the file stays where it is,
   refused as before.
5. Bytes leave it by :mod:`lockgate.agent.quarantine.exporting` only, encrypted.
6. Names in the store are transfer names; what users called a file stands in the index only.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.durable import rename_exclusively, write_durably
from lockgate.agent.folders import HIDDEN, open_directory, open_hidden
from lockgate.agent.guard.zones import GuardedZone
from lockgate.scan.names import escape_name
from lockgate.scan.report import Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, HoldReason, Receipt, Verdict

#: Where a store stands, below the mount point.
STORE_PARTS = (HIDDEN, "quarantine")


class QuarantineError(Exception):
    """A file could not be moved or put back; the text says why."""


@dataclass(frozen=True, slots=True)
class QuarantineQuota:
    """How much the store of one filesystem may hold."""

    max_bytes: int = 64 << 30
    max_files: int = 10_000


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One file in the store. ``original`` is the raw path, in the filesystem's encoding."""

    quarantine_id: str
    transfer_id: str
    original: str
    stored: str
    device: int
    inode: int
    size: int
    uid: int
    gid: int
    mode: int
    sha256: str | None
    fingerprints: tuple[str, ...]
    time: str


class Quarantine:
    """The stores of the guarded filesystems and their common index."""

    def __init__(
        self, state_dir: Path, zones: Sequence[GuardedZone], quota: QuarantineQuota | None = None
    ) -> None:
        self._index = state_dir / "quarantine"
        self._index.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._zones = {zone.device: zone for zone in zones}
        self._quota = quota or QuarantineQuota()
        self._entries = {entry.quarantine_id: entry for entry in read_index(self._index)}

    def entries(self) -> tuple[QuarantineEntry, ...]:
        """What lies in the stores, oldest first."""
        return tuple(sorted(self._entries.values(), key=lambda entry: entry.time))

    def weaknesses(self) -> tuple[str, ...]:
        """What it can take no more of, for status; any thread may ask."""
        full = []
        for device in self._zones:
            held = [e for e in tuple(self._entries.values()) if e.device == device]
            room = self._quota.max_bytes - sum(e.size for e in held)
            if len(held) >= self._quota.max_files or room <= 0:
                full.append("a quarantine is full; files stay where they are, refused")
        return tuple(full[:1])

    def find(self, device: int, inode: int) -> QuarantineEntry | None:
        """The entry of a file that was moved already."""
        self._drop_restored()
        found = (e for e in self._entries.values() if (e.device, e.inode) == (device, inode))
        return next(found, None)

    def enforce(self, fd: int, receipt: Receipt, report: Report | None) -> Receipt:
        """Move the file of a refused open; the receipt with what became of it."""
        status = os.fstat(fd)
        known = self.find(status.st_dev, status.st_ino)
        if known is not None:
            return replace(receipt, quarantine_id=known.quarantine_id)
        try:
            entry = self.take(fd, receipt.transfer_id, report)
        except (QuarantineError, OSError) as error:
            return replace(
                receipt,
                enforcement=Enforcement.QUARANTINE_FAILED,
                hold_reason=HoldReason.QUARANTINE_FAILED,
                detail=_failure(error),
            )
        return replace(
            receipt,
            enforcement=Enforcement.QUARANTINED,
            quarantine_id=entry.quarantine_id,
            quarantine_path=escape_name(entry.stored),
        )

    def take(self, fd: int, transfer_id: str, report: Report | None) -> QuarantineEntry:
        """Move the open file ``fd`` into the store of its filesystem.

        Raises:
            QuarantineError: the quota is reached, or the file has no name that leads to it.
            OSError: the kernel refused.
        """
        status = os.fstat(fd)
        self._check_quota(status)
        original = Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 - keeps every byte
        entry = self._entry(status, original, transfer_id, report)
        parent = open_directory(original.parent)
        try:
            store = self._open_store(status.st_dev)
            try:
                self._write(entry)
                self._move(parent, original.name, store, entry)
            finally:
                os.close(store)
        finally:
            os.close(parent)
        self._entries[entry.quarantine_id] = entry
        return entry

    def restore(self, quarantine_id: str, target: Path | None = None) -> Receipt:
        """Put a file back under its old name, or ``target`` on the same filesystem.

        The file is judged again when it is opened: putting back allows nothing.

        Raises:
            QuarantineError: there is no such entry, or the name is taken.
            OSError: the kernel refused.
        """
        entry = self._entries.get(quarantine_id)
        if entry is None:
            raise QuarantineError(f"nothing in quarantine is called {quarantine_id}")
        path = target if target is not None else Path(entry.original)
        parent = open_directory(path.parent)
        try:
            store = self._open_store(entry.device)
            try:
                rename_exclusively(quarantine_id, path.name, source_dir=store, target_dir=parent)
                os.fsync(parent)
            finally:
                os.close(store)
        except FileExistsError:
            raise QuarantineError(f"{escape_name(str(path))} exists; name another place") from None
        finally:
            os.close(parent)
        self._forget(entry)
        return Receipt(
            transfer_id=entry.transfer_id,
            verdict=Verdict.QUARANTINE,
            enforcement=Enforcement.RESTORED,
            hold_reason=None,
            errno_value=0,
            enforce_time=datetime.now(UTC),
            path=escape_name(str(path)),
            quarantine_id=quarantine_id,
        )

    def _check_quota(self, status: os.stat_result) -> None:
        held = [e for e in self._entries.values() if e.device == status.st_dev]
        if len(held) >= self._quota.max_files:
            raise QuarantineError("the quarantine holds as many files as it may")
        if sum(e.size for e in held) + status.st_size > self._quota.max_bytes:
            raise QuarantineError("the quarantine holds as many bytes as it may")

    def _entry(
        self, status: os.stat_result, original: Path, transfer_id: str, report: Report | None
    ) -> QuarantineEntry:
        name = uuid7()
        store = Path(self._zones[status.st_dev].mount_point, *STORE_PARTS)
        return QuarantineEntry(
            quarantine_id=name,
            transfer_id=transfer_id,
            original=str(original),
            stored=str(store / name),
            device=status.st_dev,
            inode=status.st_ino,
            size=status.st_size,
            uid=status.st_uid,
            gid=status.st_gid,
            mode=stat.S_IMODE(status.st_mode),
            sha256=report.sha256 if report else None,
            fingerprints=tuple(f.fingerprint for f in report.findings) if report else (),
            time=datetime.now(UTC).isoformat(),
        )

    def _open_store(self, device: int) -> int:
        """The store's directory, made if it is not there, and for root only whatever it was."""
        return open_hidden(self._zones[device].mount_point, STORE_PARTS[-1])

    def _move(self, parent: int, name: str, store: int, entry: QuarantineEntry) -> None:
        """Rename, look at what was caught, and undo if it is another file."""
        try:
            rename_exclusively(name, entry.quarantine_id, source_dir=parent, target_dir=store)
            if not _is_stored(store, entry):
                rename_exclusively(entry.quarantine_id, name, source_dir=store, target_dir=parent)
                raise QuarantineError("the name led to another file when it was moved")  # noqa: TRY301
            os.fsync(store)
            os.fsync(parent)
        except BaseException:
            self._forget(entry)
            raise

    def _write(self, entry: QuarantineEntry) -> None:
        write_durably(self._index / f"{entry.quarantine_id}.json", asdict(entry))

    def _forget(self, entry: QuarantineEntry) -> None:
        self._entries.pop(entry.quarantine_id, None)
        (self._index / f"{entry.quarantine_id}.json").unlink(missing_ok=True)

    def _drop_restored(self) -> None:
        """Another process may have put files back: the index on disk is the truth."""
        there = {path.stem for path in self._index.glob("*.json")}
        self._entries = {key: entry for key, entry in self._entries.items() if key in there}

    def settle(self) -> None:
        """After a power cut between index and rename: an entry without its file is void.

        For the agent, at its start: at any other time the file may just be moving in.
        """
        for entry in tuple(self._entries.values()):
            mounted = entry.device in self._zones
            if mounted and not os.path.lexists(entry.stored):
                self._forget(entry)


def read_index(index: Path) -> Iterator[QuarantineEntry]:
    """The entries on disk; a damaged one is skipped, its file stays in the store."""
    for path in sorted(index.glob("*.json")):
        try:
            fields = json.loads(path.read_text("utf-8"))
            yield QuarantineEntry(**{**fields, "fingerprints": tuple(fields["fingerprints"])})
        except (OSError, ValueError, TypeError, KeyError):
            continue


def _is_stored(store: int, entry: QuarantineEntry) -> bool:
    caught = os.stat(entry.quarantine_id, dir_fd=store, follow_symlinks=False)
    return (caught.st_dev, caught.st_ino) == (entry.device, entry.inode)


def _failure(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return "the file has no name any more, or none in this mount namespace"
    return str(error.strerror if isinstance(error, OSError) else error)
