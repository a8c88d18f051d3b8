"""Notification-only groups of fanotify(7): they tell what happened and can hold up nothing.

Rules enforced here:

1. The class is FAN_CLASS_NOTIF: the kernel refuses permission events in such a group, so that
   nothing here can deny or delay an open.
2. The mark is on the filesystem. Both need CAP_SYS_ADMIN.
3. What the kernel wrote is parsed without trust in its lengths.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.agent.libc import LIBC, checked

CLOSE_WRITE = 0x8
OPEN = 0x20
MOVED_TO = 0x80
CREATE = 0x100
OVERFLOW = 0x4000
ON_DIRECTORY = 0x4000_0000

UNLIMITED_QUEUE = 0x10
REPORT_PIDFD = 0x80
#: File, directory and name instead of a descriptor (FAN_REPORT_FID and FAN_REPORT_DFID_NAME).
REPORT_NAMES = 0x200 | 0x400 | 0x800

_CLOEXEC, _NONBLOCK, _UNLIMITED_MARKS = 0x1, 0x2, 0x20
_MARK_ADD, _MARK_FILESYSTEM = 0x1, 0x100
_AT_FDCWD = -100
_EVENT_FLAGS = os.O_RDONLY | os.O_LARGEFILE | os.O_CLOEXEC | os.O_NONBLOCK
_BUFFER_BYTES = 1 << 16
_METADATA = struct.Struct("=IBBHQii")
_RECORD = struct.Struct("=BBH")
_HANDLE = struct.Struct("=8sIi")
_FILE_RECORD, _NAME_RECORD = 1, 2


@dataclass(frozen=True, slots=True)
class Handle:
    """A file handle (open_by_handle_at(2)), and with ``name`` an entry of that directory."""

    kind: int
    opaque: bytes = field(repr=False)
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``fd`` is -1 in a group that reports names; ``place`` None otherwise."""

    mask: int
    fd: int
    pid: int
    place: Handle | None = None


def create(flags: int) -> int:
    """A notification group without marks.

    Raises:
        OSError: EPERM without CAP_SYS_ADMIN; EINVAL, ENOSYS: the kernel cannot.
    """
    return checked(
        LIBC.fanotify_init(_CLOEXEC | _NONBLOCK | _UNLIMITED_MARKS | flags, _EVENT_FLAGS),
        "fanotify_init",
    )


def mark(group: int, folder: str | os.PathLike[str], mask: int) -> None:
    """Watch the whole filesystem on which ``folder`` lies.

    Raises:
        OSError: it cannot be watched so (ENODEV, EXDEV, EOPNOTSUPP: the filesystem).
    """
    where = os.fsencode(folder)
    checked(
        LIBC.fanotify_mark(group, _MARK_ADD | _MARK_FILESYSTEM, mask, _AT_FDCWD, where),
        "fanotify_mark",
    )


def read(group: int) -> list[Event]:
    """Events that wait; empty: none do."""
    try:
        return list(parse(os.read(group, _BUFFER_BYTES)))
    except BlockingIOError:
        return []


def parse(raw: bytes) -> Iterator[Event]:
    """The events of one read(2)."""
    at = 0
    while at + _METADATA.size <= len(raw):
        length, _, _, header, mask, fd, pid = _METADATA.unpack_from(raw, at)
        if length < _METADATA.size:
            return
        yield Event(mask, fd, pid, _place(raw[at + header : at + length]))
        at += length


def open_handle(mount: int, handle: Handle) -> int:
    """An O_PATH descriptor of what ``handle`` names, on the filesystem of ``mount``.

    Raises:
        OSError: ESTALE: it is gone; EPERM without CAP_DAC_READ_SEARCH.
    """
    raw = struct.pack("=Ii", len(handle.opaque), handle.kind) + handle.opaque
    return checked(
        LIBC.open_by_handle_at(mount, raw, os.O_PATH | os.O_CLOEXEC), "open_by_handle_at"
    )


def _place(records: bytes) -> Handle | None:
    """Directory and name where the event has them, else the file itself."""
    found: Handle | None = None
    at = 0
    while at + _RECORD.size <= len(records):
        kind, _, length = _RECORD.unpack_from(records, at)
        if length < _RECORD.size:
            break
        handle = _handle(records[at + _RECORD.size : at + length])
        if handle is not None and kind == _NAME_RECORD:
            return handle
        if handle is not None and kind == _FILE_RECORD:
            found = Handle(handle.kind, handle.opaque)
        at += length
    return found


def _handle(body: bytes) -> Handle | None:
    if len(body) < _HANDLE.size:
        return None
    _, size, kind = _HANDLE.unpack_from(body)
    opaque = body[_HANDLE.size : _HANDLE.size + size]
    if len(opaque) != size:
        return None
    return Handle(kind, opaque, body[_HANDLE.size + size :].partition(b"\0")[0])
