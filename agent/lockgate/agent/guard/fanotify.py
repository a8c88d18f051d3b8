"""The kernel's permission group: fanotify(7) through ctypes, because no package answers opens.

Rules enforced here:

1. The mark is on the filesystem. Directory and mount marks leak through hard links, bind
   mounts and other mount namespaces.
2. The queue is unlimited: a bounded queue that overflows makes the kernel allow.
3. Every answer is checked. An errno that the kernel refuses is repeated as a plain denial,
   because an event without an answer passes when the group closes.
4. An answer is matched by descriptor number only, in any process. Therefore a number that
   another process may have read is swept before anybody reads again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_CLOEXEC = 0x1
_NONBLOCK = 0x2
_CLASS_CONTENT = 0x4
_CLASS_PRE_CONTENT = 0x8
_UNLIMITED_QUEUE = 0x10
_UNLIMITED_MARKS = 0x20
_REPORT_TID = 0x100
_MARK_ADD = 0x1
_MARK_REMOVE = 0x2
_MARK_FILESYSTEM = 0x100

CLOSE_WRITE = 0x8
CLOSE_NOWRITE = 0x10
OPEN_PERM = 0x10000

ALLOW = 0x1
DENY = 0x2

#: What a guarded filesystem tells: opens to be answered, and closes.
GUARD_MASK = OPEN_PERM | CLOSE_WRITE | CLOSE_NOWRITE

_METADATA = struct.Struct("=IBBHQii")
_RESPONSE = struct.Struct("=iI")
_BUFFER_BYTES = 341 * _METADATA.size
_EVENT_FLAGS = os.O_RDONLY | os.O_LARGEFILE | os.O_CLOEXEC | os.O_NONBLOCK

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_mark.argtypes = (
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_char_p,
)


Event = tuple[int, int, int]


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _init(notification_class: int) -> int:
    flags = _CLOEXEC | _NONBLOCK | _UNLIMITED_QUEUE | _UNLIMITED_MARKS | _REPORT_TID
    return _checked(_libc.fanotify_init(flags | notification_class, _EVENT_FLAGS), "fanotify_init")


def create() -> int:
    """A new permission group without marks.

    Raises:
        OSError: the kernel has no permission events (EINVAL, ENOSYS), or the caller lacks
            CAP_SYS_ADMIN (EPERM).
    """
    try:
        return _init(_CLASS_PRE_CONTENT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return _init(_CLASS_CONTENT)


def mark(group: int, directory: int, mask: int = GUARD_MASK) -> None:
    """Watch the whole filesystem on which the open ``directory`` lies."""
    _mark(group, _MARK_ADD | _MARK_FILESYSTEM, directory, mask)


def unmark(group: int, directory: int) -> None:
    """Stop watching the filesystem of ``directory``."""
    _mark(group, _MARK_REMOVE | _MARK_FILESYSTEM, directory, GUARD_MASK)


def _mark(group: int, flags: int, directory: int, mask: int) -> None:
    _checked(_libc.fanotify_mark(group, flags, mask, directory, b"."), "fanotify_mark")


def marks(group: int) -> int:
    """How many marks the group has (proc_pid_fdinfo(5)); an unmount takes them away."""
    with open(f"/proc/self/fdinfo/{group}", encoding="ascii") as lines:
        return sum(line.startswith("fanotify ") and " mflags:" in line for line in lines)


def permission_events_work() -> bool:
    """Whether this kernel lets this process answer opens."""
    try:
        os.close(create())
    except OSError:
        return False
    return True


def events(raw: bytes) -> list[Event]:
    """The events of one read as (mask, descriptor, thread that opened or closed).

    The group asks for no trailing records, so every event has the size of its metadata. An
    event without descriptor (the kernel could not open one, and denied) is left out.
    """
    return [(mask, fd, tid) for _, _, _, _, mask, fd, tid in _METADATA.iter_unpack(raw) if fd >= 0]


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

    def _write(self, number: int, response: int) -> bool:
        try:
            os.write(self.group, _RESPONSE.pack(number, response))
        except FileNotFoundError:
            return False
        return True
