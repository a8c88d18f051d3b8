"""What the controller must still hear, kept on this host until it has heard it.

Rules enforced here:

1. A record is durable once :meth:`Spool.sync` has returned; only then may anything be said
   of it to anybody.
2. After a power cut every record that was synced is there. Of the rest a torn tail is cut
   off and counted; bytes damaged in the middle cost the records in them, never later ones.
3. The spool is bounded. Full, or a disk that refuses, is :class:`SpoolFull`, and the caller
   holds what it was asked about.
4. Record numbers count from 1 and are never used twice.

A record on disk is a magic number, length (4 bytes), CRC-32 (4), number (8), kind (1) and the
payload; integers are little endian, the CRC (ITU-T V.42, as zlib) covers all that follows
it and the length. A segment file starts with a header record whose number is the next one to
be given, so that numbers survive when all records are gone. Acknowledgements are records too.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from lockgate.agent.durable import sync_directory

_MAGIC = b"LGr1"
_HEAD = struct.Struct("<4sIIQB")
_SEGMENT_BYTES = 4 << 20
#: At least so many segments fit into the bound: what was acknowledged must be able to go.
_LEAST_SEGMENTS = 8
_SUFFIX = ".seg"


class SpoolFull(Exception):  # noqa: N818 - the name says what is, as SPOOL_FULL does
    """The bound is reached, or the disk takes no more."""


class RecordKind(IntEnum):
    """What a record is; the numbers are on disk and never change."""

    SEGMENT = 0
    ACKNOWLEDGED = 1
    VERDICT_REQUEST = 2
    ENFORCEMENT = 3
    GUARD = 4


@dataclass(frozen=True, slots=True)
class Record:
    """One record. ``payload`` is a serialised request of ``lockgate.v1``."""

    number: int
    kind: RecordKind
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a segment's bytes hold. ``whole`` is where the last good record ends."""

    records: tuple[Record, ...]
    whole: int
    damaged_bytes: int


def encode(record: Record) -> bytes:
    """The record as it is on disk."""
    length = len(record.payload)
    checksum = _checksum(length, record.number, record.kind, record.payload)
    head = _HEAD.pack(_MAGIC, length, checksum, record.number, record.kind)
    return head + record.payload


def decode(content: bytes) -> Decoded:
    """Every good record of ``content``; never raises.

    Bytes after the last good record are its torn tail (``len(content) - whole``); bad bytes
    before a good one are counted as damaged.
    """
    records: list[Record] = []
    position = whole = damaged = 0
    while (start := content.find(_MAGIC, position)) >= 0:
        record = _record_at(content, start)
        if record is None:
            position = start + 1
            continue
        damaged += start - whole
        records.append(record)
        position = whole = start + _HEAD.size + len(record.payload)
    return Decoded(tuple(records), whole, damaged)


def _record_at(content: bytes, start: int) -> Record | None:
    if len(content) - start < _HEAD.size:
        return None
    _, length, checksum, number, kind = _HEAD.unpack_from(content, start)
    payload = content[start + _HEAD.size : start + _HEAD.size + length]
    if len(payload) != length or checksum != _checksum(length, number, kind, payload):
        return None
    try:
        return Record(number, RecordKind(kind), payload)
    except ValueError:
        return None


def _checksum(length: int, number: int, kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<IQB", length, number, kind)))


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int
    #: Numbers of records here that nobody acknowledged yet.
    waiting: set[int]


class Spool:
    """The segments of one folder; used from one thread.

    ``durable=False`` leaves out every fsync: only for showing that a test sees the loss.
    """

    def __init__(self, folder: Path, *, limit: int = 256 << 20, durable: bool = True) -> None:
        self._folder = folder
        self._limit = limit
        self._segment_bytes = min(_SEGMENT_BYTES, limit // _LEAST_SEGMENTS)
        self._durable = durable
        self._segments: list[_Segment] = []
        self._pending: dict[int, Record] = {}
        self._next = 1
        self._active: int | None = None
        self.torn_bytes = 0
        self.damaged_bytes = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._recover()

    @property
    def next_number(self) -> int:
        """The number that the next record gets."""
        return self._next

    @property
    def bytes_used(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    def pending(self) -> tuple[Record, ...]:
        """Records that nobody acknowledged, in order."""
        return tuple(self._pending[number] for number in sorted(self._pending))

    def append(self, kind: RecordKind, payload: bytes, *, reserve: int = 0) -> Record:
        """Add a record; durable after :meth:`sync`. ``reserve`` bytes must stay free.

        Raises:
            SpoolFull: see the module's rules.
        """
        record = Record(self._next, kind, payload)
        content = encode(record)
        if self.bytes_used + len(content) + reserve > self._limit:
            raise SpoolFull(f"more than {self._limit} bytes wait for the controller")
        self._write(content)
        self._next += 1
        self._pending[record.number] = record
        self._segments[-1].waiting.add(record.number)
        return record

    def acknowledge(self, number: int) -> None:
        """The controller has the record; durable after :meth:`sync`.

        Raises:
            SpoolFull: it could not be noted; the record may be sent again.
        """
        if self._pending.pop(number, None) is None:
            return
        for segment in self._segments:
            segment.waiting.discard(number)
        self._write(encode(Record(number, RecordKind.ACKNOWLEDGED, b"")))
        self._remove_spent()

    def sync(self) -> None:
        """Make everything so far durable.

        Raises:
            SpoolFull: the disk refused; what was appended since the last sync is not safe.
        """
        if self._active is None or not self._durable:
            return
        try:
            os.fdatasync(self._active)
        except OSError as error:
            self._close_active()
            raise SpoolFull(f"the disk refused: {os.strerror(error.errno or 0)}") from None

    def close(self) -> None:
        """Close the files."""
        self._close_active()

    def _write(self, content: bytes) -> None:
        if self._active is None or self._segments[-1].size >= self._segment_bytes:
            self._open_segment()
        assert self._active is not None
        segment = self._segments[-1]
        try:
            written = os.pwrite(self._active, content, segment.size)
            if written != len(content):
                raise OSError("short write")  # noqa: TRY301 - one way to undo
        except OSError as error:
            try:
                os.ftruncate(self._active, segment.size)
            except OSError:  # a disk that takes nothing: what is torn is cut off when it is read
                self._close_active()
            raise SpoolFull(f"the disk refused: {error.strerror or error}") from None
        segment.size += len(content)

    def _open_segment(self) -> None:
        header = encode(Record(self._next, RecordKind.SEGMENT, b""))
        last = int(self._segments[-1].path.stem) if self._segments else 0
        path = self._folder / f"{last + 1:016d}{_SUFFIX}"
        try:
            self.sync()
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SpoolFull(f"the disk refused: {error.strerror}") from None
        try:
            if os.write(fd, header) != len(header):
                raise OSError("short write")  # noqa: TRY301 - one way to undo
            if self._durable:
                os.fsync(fd)
                sync_directory(self._folder)
        except OSError as error:
            os.close(fd)
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise SpoolFull(f"the disk refused: {error.strerror or error}") from None
        self._close_active()
        self._active = fd
        self._segments.append(_Segment(path, len(header), set()))

    def _close_active(self) -> None:
        if self._active is not None:
            os.close(self._active)
            self._active = None

    def _remove_spent(self) -> None:
        """Delete segments from the front that nobody waits for; the last one always stays."""
        while len(self._segments) > 1 and not self._segments[0].waiting:
            self.sync()  # the acknowledgements must be safe before what they speak of is gone
            with suppress(OSError):  # it is read once more, and said again with its request_id
                self._segments.pop(0).path.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Read all segments; writing goes on in a new one, so that no old byte is touched."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            content = path.read_bytes()
            decoded = decode(content)
            self.torn_bytes += len(content) - decoded.whole
            self.damaged_bytes += decoded.damaged_bytes
            self._segments.append(_Segment(path, len(content), set()))
            for record in decoded.records:
                self._replay(record, self._segments[-1])

    def _replay(self, record: Record, segment: _Segment) -> None:
        if record.kind is RecordKind.SEGMENT:
            self._next = max(self._next, record.number)
        elif record.kind is RecordKind.ACKNOWLEDGED:
            self._pending.pop(record.number, None)
            for other in self._segments:
                other.waiting.discard(record.number)
        else:
            self._next = max(self._next, record.number + 1)
            self._pending[record.number] = record
            segment.waiting.add(record.number)


def records_in(folder: Path) -> Iterator[Record]:
    """Every good record of a spool's files, acknowledged or not: for looking, not for work."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        yield from decode(path.read_bytes()).records
