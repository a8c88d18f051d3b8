"""Races: a file that was judged clean becomes secret under somebody's hands.

Each way begins with clean content, lets it be judged, and then tries to read what is written
afterwards. At its end, when all is closed, the file is read once more in the ordinary way: that
is what must succeed when the bytes written are clean too.
"""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests.conformance import syscalls, uring
from tests.conformance.contents import Content
from tests.conformance.filesystems import detach_loops
from tests.conformance.way import (
    Place,
    Scope,
    in_child,
    open_patiently,
    output_of,
    read_path,
    read_patiently,
    way,
    write_apart,
)

_FAMILY = "races"
_HAMMER_S = 1.2
_READERS = 3
_SIZE = 1 << 16
_WRITER_TRIES_S = 1.5
_WRITER_PATIENCE_S = 12.0
_PAGES = "the reader took the pages themselves, and the writer writes into them; nobody is listed"
_CREATOR = "the creator's own descriptor: it wrote the bytes itself"


def begin(place: Place) -> None:
    """Clean content, judged."""
    place.write_file(place.innocent)
    read_patiently(place.file)


def _try(task: Callable[[], bytes]) -> bytes:
    """What ``task`` gives in another process; nothing when it is refused."""
    try:
        return in_child(task)
    except OSError:
        return b""


def _write(place: Place, seconds: float = _WRITER_PATIENCE_S, flags: int = os.O_WRONLY) -> bytes:
    """Write the wanted content in place, in the caller's process."""
    fd = open_patiently(place.file, flags, seconds)
    os.pwrite(fd, place.content.body, 0)
    os.close(fd)
    return b"."


def finish(place: Place) -> bytes:
    """Write the wanted content unless it is there, and read it as anybody would."""
    if not place.ends_with_read:
        return b""
    if place.content.marker not in _try(lambda: _peek(place)):
        _try(lambda: _write(place))
    with suppress(OSError):
        return in_child(lambda: read_patiently(place.file))
    return b""


def _peek(place: Place) -> bytes:
    """What is in the file. Never returned to anybody; a guard may refuse it."""
    return read_patiently(place.file, 1.0)


@way("secret written in place after a judgement", _FAMILY, writes=True)
def in_place(place: Place) -> bytes:
    begin(place)
    in_child(lambda: _write(place))
    return in_child(lambda: read_patiently(place.file))


@way("secret written in place, times put back", _FAMILY, writes=True)
def times_back(place: Place) -> bytes:
    begin(place)
    before = place.file.stat()
    in_child(lambda: _write(place))
    os.utime(place.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return in_child(lambda: read_patiently(place.file))


@way("secret written after truncation to the same size", _FAMILY, writes=True)
def truncated(place: Place) -> bytes:
    begin(place)
    in_child(lambda: _write(place, flags=os.O_WRONLY | os.O_TRUNC))
    return in_child(lambda: read_patiently(place.file))


@way("writer still open when it is read", _FAMILY, scope=Scope.RACE, writes=True)
def live_writer(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_WRONLY)
    os.pwrite(fd, place.content.body, 0)
    early = _try(lambda: read_path(place.file))
    os.close(fd)
    return early + finish(place)


@way("stored through a shared mapping, times put back", _FAMILY, scope=Scope.RACE, writes=True)
def mapping_store(place: Place) -> bytes:
    begin(place)
    before = place.file.stat()
    with _writable(place) as mapping:
        mapping[:] = place.content.body
        os.utime(place.file, ns=(before.st_atime_ns, before.st_mtime_ns))
        early = _try(lambda: read_path(place.file))
        mapping.flush()
        os.utime(place.file, ns=(before.st_atime_ns, before.st_mtime_ns))
        early += _try(lambda: read_path(place.file))
    return early + finish(place)


@way(
    "writable mapping made while clean, stored after a second judgement",
    _FAMILY,
    scope=Scope.RACE,
    writes=True,
)
def mapping_later(place: Place) -> bytes:
    begin(place)
    with _writable(place) as mapping:
        _try(lambda: read_path(place.file))
        mapping[:] = place.content.body
        early = _try(lambda: read_path(place.file))
    return early + finish(place)


@contextmanager
def _writable(place: Place) -> Iterator[mmap.mmap]:
    """A shared writable mapping whose descriptor is closed."""
    fd = open_patiently(place.file, os.O_RDWR)
    os.ftruncate(fd, len(place.content.body))
    mapping = mmap.mmap(fd, 0)
    os.close(fd)
    with mapping:
        yield mapping


# -- readers that were let in while the file was clean ---------------------------------------


def written_beside(place: Place, look: Callable[[], bytes], close: Callable[[], object]) -> bytes:
    """Somebody tries to write the secret while a reader looks at the file."""
    _try(lambda: _write(place, _WRITER_TRIES_S))
    seen = b""
    with suppress(OSError):
        seen = look()
    close()
    return seen + finish(place)


@way("reader let in while clean, secret written, read", _FAMILY, scope=Scope.RACE, writes=True)
def old_reader(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_RDONLY)
    return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))


@way("reader's mapping made while clean, secret written", _FAMILY, scope=Scope.RACE, writes=True)
def old_mapping(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_RDONLY)
    mapping = mmap.mmap(fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    os.close(fd)
    return written_beside(place, lambda: mapping[:], mapping.close)


@way("reader's descriptor inherited by a child", _FAMILY, scope=Scope.RACE, writes=True)
def inherited(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    os.close(fd)

    def look() -> bytes:
        ours = syscalls.fd_of_process(child, fd)
        with os.fdopen(ours, "rb", buffering=0) as source:
            return os.pread(source.fileno(), _SIZE, 0)

    def close() -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    return written_beside(place, look, close)


@way("reader's descriptor in flight over SCM_RIGHTS", _FAMILY, scope=Scope.RACE, writes=True)
def in_flight(place: Place) -> bytes:
    begin(place)
    ours, theirs = socket.socketpair()
    fd = open_patiently(place.file, os.O_RDONLY)
    socket.send_fds(theirs, [b"."], [fd])
    os.close(fd)
    received: list[int] = []

    def look() -> bytes:
        received.extend(socket.recv_fds(ours, 1, 1)[1])
        return os.pread(received[0], _SIZE, 0)

    return written_beside(place, look, lambda: os.close(received[0]))


@way("reader as a fixed file of an io_uring", _FAMILY, scope=Scope.RACE, writes=True)
def fixed_file(place: Place) -> bytes:
    begin(place)
    ring = uring.Ring()
    fd = open_patiently(place.file, os.O_RDONLY)
    ring.register_files(fd)
    os.close(fd)
    look = lambda: ring.read(0, _SIZE, how=uring.FIXED_FILE)  # noqa: E731
    return written_beside(place, look, ring.close)


@way("reader that io_uring opened into a fixed file", _FAMILY, scope=Scope.RACE, writes=True)
def direct_slot(place: Place) -> bytes:
    begin(place)
    ring = uring.Ring()
    ring.register_slots(1)
    ring.open(place.file, slot=1)
    look = lambda: ring.read(0, _SIZE, how=uring.FIXED_FILE)  # noqa: E731
    return written_beside(place, look, ring.close)


@way("reader's thread with descriptors of its own", _FAMILY, scope=Scope.RACE, writes=True)
def own_table(place: Place) -> bytes:
    """/proc/PID/fd shows the first thread's table only."""
    begin(place)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(syscalls.unshare, syscalls.CLONE_FILES).result()
        fd = thread.submit(open_patiently, place.file, os.O_RDONLY).result()
        look = lambda: thread.submit(os.pread, fd, _SIZE, 0).result()  # noqa: E731
        return written_beside(place, look, lambda: thread.submit(os.close, fd).result())


@way("reader whose first thread has ended", _FAMILY, scope=Scope.RACE, writes=True)
def leaderless(place: Place) -> bytes:
    """/proc/PID/fd and /proc/PID/maps of such a process are empty."""
    begin(place)
    asked, asking = os.pipe()
    answers, answering = os.pipe()
    child = os.fork()
    if child == 0:
        threading.Thread(target=_read_when_asked, args=(place, asked, answering)).start()
        syscalls.end_thread()
    os.close(answering)
    os.read(answers, 1)

    def look() -> bytes:
        os.write(asking, b".")
        return os.read(answers, _SIZE)

    def close() -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    return written_beside(place, look, close)


def _read_when_asked(place: Place, asked: int, answering: int) -> None:
    fd = open_patiently(place.file, os.O_RDONLY)
    os.write(answering, b".")
    while os.read(asked, 1):
        os.write(answering, os.pread(fd, _SIZE, 0))


@way("reader as a loop device", _FAMILY, scope=Scope.RACE, writes=True)
def loop_reader(place: Place) -> bytes:
    begin(place)
    device = output_of("losetup", "-r", "--find", "--show", place.file).decode().strip()
    try:
        return written_beside(
            place, lambda: _read_direct(device), lambda: output_of("losetup", "-d", device)
        )
    finally:
        detach_loops(str(place.file))


def _read_direct(device: str) -> bytes:
    return output_of("dd", f"if={device}", "iflag=direct", "bs=4096")


@way(
    "pages spliced into a pipe while clean, secret written over them",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    writes=True,
    reason=_PAGES,
)
def spliced(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_RDONLY)
    reading, writing = os.pipe()
    os.splice(fd, writing, _SIZE, offset_src=0)
    os.close(fd)
    os.close(writing)
    return written_beside(place, lambda: os.read(reading, _SIZE), lambda: os.close(reading))


@way("read descriptor of an empty file that is filled", _FAMILY, scope=Scope.RACE, writes=True)
def empty_reader(place: Place) -> bytes:
    place.write_file(Content(b"", b""))
    fd = open_patiently(place.file, os.O_RDONLY)
    return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))


@way("O_RDWR of an empty file that another fills", _FAMILY, scope=Scope.RACE, writes=True)
def empty_read_write(place: Place) -> bytes:
    fd = os.open(place.file, os.O_RDWR | os.O_CREAT, 0o644)
    return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))


@way("O_RDWR|O_TRUNC, then another writes", _FAMILY, scope=Scope.RACE, writes=True)
def truncating(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_RDWR | os.O_TRUNC)
    return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))


@way("O_RDWR let in while clean, then another writes", _FAMILY, scope=Scope.RACE, writes=True)
def read_write(place: Place) -> bytes:
    begin(place)
    fd = open_patiently(place.file, os.O_RDWR)
    return written_beside(place, lambda: os.pread(fd, _SIZE, 0), lambda: os.close(fd))


@way("O_RDWR opened beside a writer that writes then", _FAMILY, scope=Scope.RACE, writes=True)
def beside_writer(place: Place) -> bytes:
    begin(place)
    writer = open_patiently(place.file, os.O_WRONLY)

    def beside() -> bytes:
        fd = os.open(place.file, os.O_RDWR)
        os.pwrite(writer, place.content.body, 0)
        return os.pread(fd, _SIZE, 0)

    early = _try(beside)
    os.close(writer)
    return early + finish(place)


# -- names and numbers -----------------------------------------------------------------------


@way("secret renamed over a judged clean file", _FAMILY, writes=True)
def rename_over(place: Place) -> bytes:
    begin(place)
    write_apart(place.outside / "made", place.content.body)
    (place.outside / "made").rename(place.file)
    return read_patiently(place.file)


@way("secret in the inode number of a judged clean file", _FAMILY, writes=True)
def number_again(place: Place) -> bytes:
    got = b""
    for _ in range(8):
        begin(place)
        number = place.file.stat().st_ino
        place.file.unlink()
        place.write_file()
        same = place.file.stat().st_ino == number
        with suppress(OSError):
            got += in_child(lambda: read_patiently(place.file))
        if same:
            break
    return got


@way("names exchanged under racing readers", _FAMILY, scope=Scope.RACE, writes=True)
def exchange_hammer(place: Place) -> bytes:
    begin(place)
    other = write_apart(place.outside / "other", place.content.body)
    early = _hammered(place, lambda: syscalls.exchange(place.file, other))
    return early + finish(place)


# -- hammers ---------------------------------------------------------------------------------


@way("writer flips clean and secret under racing readers", _FAMILY, scope=Scope.RACE, writes=True)
def write_hammer(place: Place) -> bytes:
    begin(place)

    def flip() -> None:
        for content in (place.content, place.innocent):
            with suppress(OSError):
                fd = os.open(place.file, os.O_WRONLY)
                os.pwrite(fd, content.body, 0)
                os.close(fd)

    return _hammered(place, flip) + finish(place)


@way("mapping flips clean and secret under racing readers", _FAMILY, scope=Scope.RACE, writes=True)
def mapping_hammer(place: Place) -> bytes:
    begin(place)

    def flip() -> None:
        with suppress(OSError), _writable(place) as mapping:
            mapping[:] = place.content.body
            time.sleep(0.001)
            mapping[:] = place.innocent.body

    return _hammered(place, flip) + finish(place)


def _hammered(place: Place, change: Callable[[], object]) -> bytes:
    """``change`` again and again in one process, while others open and read."""
    end = time.monotonic() + _HAMMER_S
    changer = os.fork()
    if changer == 0:
        while time.monotonic() < end:
            change()
        os._exit(0)
    answers = [_reader(place, end) for _ in range(_READERS)]
    os.waitpid(changer, 0)
    return b"".join(_all_of(answer) for answer in answers)


def _reader(place: Place, end: float) -> int:
    """A process that reads until ``end``, twice through each descriptor; its answer's pipe."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return reading
    seen = b""
    while time.monotonic() < end and not seen:
        with suppress(OSError):
            fd = os.open(place.file, os.O_RDONLY)
            got = os.pread(fd, _SIZE, 0)
            time.sleep(0.003)
            got += os.pread(fd, _SIZE, 0)
            os.close(fd)
            seen = got if place.content.shown_in(got) else b""
    os.write(writing, seen)
    os._exit(0)


def _all_of(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as source:
        return source.read()


@way("writer comes while the scan of a large file runs", _FAMILY, scope=Scope.RACE, writes=True)
def during_scan(place: Place) -> bytes:
    write_apart(place.file, place.innocent.body + os.urandom(6 << 20))
    reader = _reader_of_head(place)
    time.sleep(0.05)
    _try(lambda: _write(place, _WRITER_TRIES_S))
    return _all_of(reader) + finish(place)


def _reader_of_head(place: Place) -> int:
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return reading
    with suppress(OSError):
        fd = os.open(place.file, os.O_RDONLY)
        time.sleep(0.3)
        os.write(writing, os.pread(fd, 8192, 0))
    os._exit(0)


# -- not promised ----------------------------------------------------------------------------


@way(
    "creator reads back through its own descriptor",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    writes=True,
    reason=_CREATOR,
)
def creator(place: Place) -> bytes:
    fd = os.open(place.file, os.O_RDWR | os.O_CREAT, 0o644)
    os.write(fd, place.content.body)
    return os.pread(fd, _SIZE, 0)


@way(
    "creator passes its own descriptor on",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    writes=True,
    reason=_CREATOR,
)
def creator_passes(place: Place) -> bytes:
    fd = os.open(place.file, os.O_RDWR | os.O_CREAT, 0o644)
    os.write(fd, place.content.body)
    with subprocess.Popen(
        ["cat", f"/proc/self/fd/{fd}"], pass_fds=[fd], stdout=subprocess.PIPE
    ) as other:
        other.communicate()
    return in_child(lambda: os.pread(fd, _SIZE, 0))
