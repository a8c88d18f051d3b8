"""The kernel's permission group: fanotify(7) through ctypes, because no package answers opens.

Rules enforced here:

1. The mark is on the filesystem. Directory and mount marks leak through hard links, bind
   mounts and other mount namespaces.
2. The queue is unlimited: a bounded queue that overflows makes the kernel allow.
3. Every answer is checked. An errno that the kernel refuses is repeated as a plain denial,
   because an event without an answer passes when the group closes.
4. An answer is matched by descriptor number only, in any process. Therefore a number that
   another process may have read is swept before anybody reads again.
5. A group is ended by taking its marks off first and refusing what waits then: an event that
   is still there when the last descriptor closes would pass.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterable
from pathlib import Path

from lockgate.agent.libc import LIBC, checked

_CLOEXEC = 0x1
_NONBLOCK = 0x2
_CLASS_CONTENT = 0x4
_CLASS_PRE_CONTENT = 0x8
_UNLIMITED_QUEUE = 0x10
_UNLIMITED_MARKS = 0x20
_REPORT_PIDFD = 0x80
_REPORT_TID = 0x100
_MARK_ADD = 0x1
_MARK_REMOVE = 0x2
_MARK_FLUSH = 0x80
_MARK_FILESYSTEM = 0x100

CLOSE_WRITE = 0x8
CLOSE_NOWRITE = 0x10
OPEN_PERM = 0x10000
ACCESS_PERM = 0x20000
OPEN_EXEC_PERM = 0x40000
PRE_ACCESS = 0x100000
#: Events that wait for an answer.
PERMISSION = OPEN_PERM | ACCESS_PERM | OPEN_EXEC_PERM | PRE_ACCESS

ALLOW = 0x1
DENY = 0x2

#: What a guarded filesystem tells: opens to be answered, and closes.
GUARD_MASK = OPEN_PERM | CLOSE_WRITE | CLOSE_NOWRITE

METADATA = struct.Struct("=IBBHQii")
_RESPONSE = struct.Struct("=iI")
_BUFFER_BYTES = 341 * METADATA.size
_MARK_LINE = re.compile(r"^fanotify sdev:([0-9a-f]+) mflags:\S+ mask:([0-9a-f]+) ", re.MULTILINE)
_GROUP_LINE = re.compile(r"^fanotify flags:", re.MULTILINE)
_EVENT_FLAGS = os.O_RDONLY | os.O_LARGEFILE | os.O_CLOEXEC | os.O_NONBLOCK


Event = tuple[int, int, int]


def _init(flags: int) -> int:
    flags |= _CLOEXEC | _NONBLOCK | _UNLIMITED_QUEUE | _UNLIMITED_MARKS
    return checked(LIBC.fanotify_init(flags, _EVENT_FLAGS), "fanotify_init")


def create(*, deny_errno: bool = True) -> int:
    """A new permission group without marks.

    ``deny_errno`` False: do without the class of groups whose denials carry an errno, which
    the kernel offers since 6.14.

    Raises:
        OSError: the kernel has no permission events (EINVAL, ENOSYS), or the caller lacks
            CAP_SYS_ADMIN (EPERM).
    """
    if deny_errno:
        try:
            return _init(_CLASS_PRE_CONTENT | _REPORT_TID)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    return _init(_CLASS_CONTENT | _REPORT_TID)


def create_with_pidfd() -> int:
    """A permission group whose events carry a pidfd; it cannot tell the thread as well.

    Raises:
        OSError: as :func:`create`, or the kernel gives no pidfd (before 5.15).
    """
    return _init(_CLASS_CONTENT | _REPORT_PIDFD)


def mark(group: int, directory: int, mask: int = GUARD_MASK) -> None:
    """Watch the whole filesystem on which the open ``directory`` lies."""
    _mark(group, _MARK_ADD | _MARK_FILESYSTEM, directory, mask)


def unmark(group: int, directory: int) -> None:
    """Stop watching the filesystem of ``directory``."""
    _mark(group, _MARK_REMOVE | _MARK_FILESYSTEM, directory, GUARD_MASK)


def mark_inode(group: int, fd: int, mask: int) -> None:
    """Watch one open file."""
    _mark(group, _MARK_ADD, fd, mask, None)


def flush(group: int) -> None:
    """Take all marks on filesystems away, whoever else has the group open."""
    _mark(group, _MARK_FLUSH | _MARK_FILESYSTEM, -100, 0)


def _mark(group: int, flags: int, directory: int, mask: int, name: bytes | None = b".") -> None:
    checked(LIBC.fanotify_mark(group, flags, mask, directory, name), "fanotify_mark")


def marked(group: int) -> frozenset[int]:
    """The filesystems whose opens the group is asked about, by the device of their superblock.

    For btrfs that is another number than the st_dev of its files.
    """
    text = Path(f"/proc/self/fdinfo/{group}").read_text("ascii")
    return marked_in(text)


def marked_in(text: str) -> frozenset[int]:
    """The same of a group's /proc/PID/fdinfo (proc_pid_fdinfo(5))."""
    found = ((int(device, 16), int(mask, 16)) for device, mask in _MARK_LINE.findall(text))
    return frozenset(
        os.makedev(device >> 20, device & 0xFFFFF) for device, mask in found if mask & OPEN_PERM
    )


def groups_of(pid: int) -> dict[int, frozenset[int]]:
    """The fanotify groups of a process: descriptor number -> the filesystems it marks."""
    found = {}
    try:
        for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
            text = entry.read_text("ascii", "replace")
            if _GROUP_LINE.search(text):
                found[int(entry.name)] = marked_in(text)
    except OSError:  # the process ended
        return found
    return found


def permission_events_work() -> bool:
    """Whether this kernel lets this process answer opens."""
    try:
        os.close(create())
    except OSError:
        return False
    return True


def events(raw: bytes) -> list[Event]:
    """The events of one read as (mask, descriptor, thread that opened or closed).

    Records that follow an event (FAN_PRE_ACCESS tells a range) are passed over. An event
    without descriptor (the kernel could not open one, and denied) is left out.
    """
    found = []
    for size, _, _, _, mask, fd, tid in METADATA.iter_unpack(raw):
        if size != METADATA.size:
            return _uneven_events(raw)
        if fd >= 0:
            found.append((mask, fd, tid))
    return found


def _uneven_events(raw: bytes) -> list[Event]:
    found, at = [], 0
    while at < len(raw):
        size, _, _, _, mask, fd, tid = METADATA.unpack_from(raw, at)
        at += size
        if fd >= 0:
            found.append((mask, fd, tid))
    return found


class Answers:
    """Reads events of one group and answers them.

    ``errno_answers`` turns False once the kernel has refused an errno: then every denial
    is EPERM.
    """

    def __init__(self, group: int, *, errno_answers: bool = True) -> None:
        self.group = group
        self.errno_answers = errno_answers

    def read(self) -> bytes:
        """Waiting events as the kernel wrote them; empty when there are none.

        An event whose descriptor the kernel could not open (EMFILE) is denied by the kernel
        itself; that is not an error of the guard.
        """
        try:
            return os.read(self.group, _BUFFER_BYTES)
        except OSError:
            return b""

    def allow(self, number: int) -> bool:
        """Let the opener pass; False when the event is already gone."""
        return self._write(number, ALLOW)

    def deny(self, number: int, code: int) -> bool:
        """Refuse with errno ``code`` (plain EPERM where the kernel knows no errno)."""
        if self.errno_answers and code != errno.EPERM:
            try:
                return self._write(number, DENY | (code & 0xFF) << 24)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self.errno_answers = False
        return self._write(number, DENY)

    def sweep(self, limit: int, code: int = errno.EAGAIN) -> int:
        """Deny whatever is pending under any number below ``limit``; returns how many were."""
        return sum(self.deny(number, code) for number in range(limit))

    def refuse(self, waiting: Iterable[Event], code: int = errno.EAGAIN) -> int:
        """Deny the opens among the events of one read, and close all; returns how many were."""
        refused = 0
        for mask, fd, _tid in waiting:
            refused += bool(mask & PERMISSION) and self.deny(fd, code)
            os.close(fd)
        return refused

    def take_off(self, limit: int) -> int:
        """End the guard for good: no marks, nobody waits, and this descriptor is closed.

        ``limit``: as for :meth:`sweep`. Returns how many opens were refused.
        """
        flush(self.group)
        refused = self.sweep(limit)
        while raw := self.read():
            refused += self.refuse(events(raw))
        os.close(self.group)
        return refused

    def _write(self, number: int, response: int) -> bool:
        try:
            os.write(self.group, _RESPONSE.pack(number, response))
        except FileNotFoundError:
            return False
        return True
