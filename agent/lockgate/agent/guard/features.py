"""What this kernel can do for a guard, found out with real events; any of it can be masked.

Rules enforced here:

1. A feature is there when it worked, on an event of our own: a mark on one nameless file of
   ours, which nobody else can open. Version numbers are not asked, with one exception that is
   named in :func:`_coredump_socket`.
2. Whatever is not shown to be there is not used. Everything works without any of it; a masked
   feature takes the same way as one that the kernel lacks.
3. Times that are too coarse to tell two writes apart never make a verdict last.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import Self

from lockgate.agent.guard import fanotify, processes

VARIABLE = "LOCKGATE_KERNEL_WITHOUT"
#: Filesystems that keep times apart which were looked at in between (Linux 6.13, multigrain).
_MULTIGRAIN = frozenset({"btrfs", "ext4", "tmpfs", "xfs"})
_COARSE_NS = 20_000_000  # two ticks of the slowest usual clock, HZ=100
_WHOLE_SECOND_NS = 1_000_000_000  # the fraction that 128-byte inodes and FAT do not keep
_PATIENCE_S = 2.0
_WRITES = 8
_PIDFD_RECORD = struct.Struct("=BBHi")
_PIDFD_RECORD_TYPE = 4
_PIDFD_INFO_BYTES = 64
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO_BYTES << 16 | 0xFF << 8 | 11
_PIDFD_INFO_COREDUMP = 1 << 4
_REQUEST_PROTOCOL_RELEASE = (6, 17)


@dataclass(frozen=True, slots=True)
class Features:
    """What the kernel can do.

    ``deny_errno``: a denial carries an errno (FAN_DENY_ERRNO). ``pidfd``: events carry a
    descriptor of the opener. ``pre_access``: events before reads and mappings (FAN_PRE_ACCESS),
    on filesystems that give them. ``fine_timestamps``: two writes never have the same time when
    the file was looked at in between. ``coredump_socket``: ``core_pattern=@@/path`` is served.
    """

    deny_errno: bool = False
    pidfd: bool = False
    pre_access: bool = False
    fine_timestamps: bool = False
    coredump_socket: bool = False

    def without(self, names: Iterable[str]) -> Self:
        """These features less the named ones (``deny-errno``, ...).

        Raises:
            ValueError: no feature has that name.
        """
        masked = {name.strip().replace("-", "_") for name in names if name.strip()}
        known = {field.name for field in fields(self)}
        if unknown := masked - known:
            named = ", ".join(_spelt(name) for name in sorted(known))
            raise ValueError(
                f"{_spelt(min(unknown))}: not a feature of the kernel; there are {named}"
            )
        return replace(self, **dict.fromkeys(masked, False))

    def on(self, filesystems: Iterable[str]) -> Self:
        """What is left of these features on filesystems of the named types."""
        fine = self.fine_timestamps and _MULTIGRAIN.issuperset(filesystems)
        return replace(self, fine_timestamps=fine)

    def settled(self, ctime_ns: int, now_ns: int) -> bool:
        """Whether a write after ``now_ns`` must give the file another time than ``ctime_ns``.

        Both in nanoseconds since the epoch. Only then does an identity name the bytes.
        """
        if ctime_ns % _WHOLE_SECOND_NS == 0:
            return now_ns - ctime_ns >= 2 * _WHOLE_SECOND_NS
        return self.fine_timestamps or now_ns - ctime_ns >= _COARSE_NS


def _spelt(name: str) -> str:
    return name.replace("_", "-")


def available(
    without: Iterable[str] = (), environment: Mapping[str, str] | None = None
) -> Features:
    """The features to use: what :func:`probe` finds, less ``without`` and the environment's.

    Raises:
        ValueError: a name that no feature has.
    """
    variables = os.environ if environment is None else environment
    return probe().without([*without, *variables.get(VARIABLE, "").split(",")])


def probe() -> Features:
    """Find out what works, in a few milliseconds; nothing works for a caller that is not root."""
    scratch = _nameless_file()
    try:
        return Features(
            deny_errno=_works(_deny_errno, scratch),
            pidfd=_works(_pidfd, scratch),
            pre_access=_works(_pre_access, scratch),
            fine_timestamps=_works(_fine_timestamps, scratch),
            coredump_socket=_works(_coredump_socket, scratch),
        )
    finally:
        os.close(scratch)


def _nameless_file() -> int:
    """A file that has no name, so that nobody else meets its mark."""
    try:
        fd = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        fd = os.memfd_create("lockgate-probe")
    os.write(fd, b"probe")
    return fd


def _works(question: Callable[[int], bool], scratch: int) -> bool:
    try:
        return question(scratch)
    except OSError:
        return False


def _deny_errno(scratch: int) -> bool:
    with _Opener(scratch, fanotify.create()) as opener:
        raw = opener.event(fanotify.OPEN_PERM)
        answers = fanotify.Answers(opener.group)
        for _mask, number, _tid in fanotify.events(raw):
            answers.deny(number, errno.EBUSY)
            os.close(number)
        return opener.result() == errno.EBUSY


def _pidfd(scratch: int) -> bool:
    with _Opener(scratch, fanotify.create_with_pidfd()) as opener:
        raw = opener.event(fanotify.OPEN_PERM)
        size = fanotify.METADATA.size
        if len(raw) < size + _PIDFD_RECORD.size:
            return False
        number = fanotify.METADATA.unpack_from(raw)[5]
        kind, _, _, pidfd = _PIDFD_RECORD.unpack_from(raw, size)
        fanotify.Answers(opener.group).allow(number)
        os.close(number)
        if kind != _PIDFD_RECORD_TYPE or pidfd < 0:
            return False
        os.close(pidfd)
        return opener.result() == 0


def _pre_access(scratch: int) -> bool:
    try:
        with _Opener(scratch, fanotify.create()) as opener:
            raw = opener.event(fanotify.PRE_ACCESS)
            for _mask, number, _tid in fanotify.events(raw):
                fanotify.Answers(opener.group).deny(number, errno.EPERM)
                os.close(number)
            return opener.result() == errno.EPERM
    except OSError as error:
        # Known to the kernel and refused for the scratch file's filesystem, such as tmpfs.
        return error.errno == errno.EOPNOTSUPP


def _fine_timestamps(scratch: int) -> bool:
    times = []
    for turn in range(_WRITES):
        os.pwrite(scratch, bytes([turn]), 0)
        times.append(os.fstat(scratch).st_ctime_ns)
    return len(set(times)) == _WRITES


def _coredump_socket(_scratch: int) -> bool:
    """Whether the kernel tells of core dumps by pidfd, and speaks the request protocol.

    The first came with ``core_pattern=@/path``. ``@@/path`` came one release later and cannot
    be asked for without setting the pattern of the whole host: here the release decides.
    """
    pidfd = os.pidfd_open(os.getpid())
    try:
        answer = bytearray(_PIDFD_INFO_BYTES)
        struct.pack_into("=Q", answer, 0, _PIDFD_INFO_COREDUMP)
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, answer)
    finally:
        os.close(pidfd)
    told = struct.unpack_from("=Q", answer)[0] & _PIDFD_INFO_COREDUMP
    return bool(told) and _release() >= _REQUEST_PROTOCOL_RELEASE


def _release() -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


class _Opener:
    """A thread of ours that opens and reads a marked file; closing the group lets it go on."""

    def __init__(self, scratch: int, group: int) -> None:
        self.group = group
        self._scratch = scratch
        self._errno = 0
        self._thread = threading.Thread(target=self._open, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.group)

    def event(self, mask: int) -> bytes:
        """Mark the file, open and read it, and give the event as the kernel wrote it.

        Raises:
            OSError: the kernel takes no such mark, or no event came.
        """
        fanotify.mark_inode(self.group, self._scratch, mask)
        self._thread.start()
        if not processes.readable(self.group, _PATIENCE_S):
            raise TimeoutError(errno.ETIMEDOUT, "no event came")
        return os.read(self.group, 4096)

    def result(self) -> int:
        """The errno that the thread got; 0: none."""
        self._thread.join(_PATIENCE_S)
        return -1 if self._thread.is_alive() else self._errno

    def _open(self) -> None:
        try:
            with closing(os.fdopen(os.open(f"/proc/self/fd/{self._scratch}", os.O_RDONLY))) as file:
                os.pread(file.fileno(), 1, 0)
        except OSError as error:
            self._errno = error.errno or -1
