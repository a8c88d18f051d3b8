"""One process of the load on a guarded zone: ``load.py ROLE ZONE RESULTS MARKER SEED``.

Rules enforced here:

1. Every byte that comes out of the zone is searched for the marker that only dirty files hold;
   a hit is a leak, whatever the open's errno was before.
2. Every open is timed. What is written to RESULTS (JSON lines) is flushed at once, so that a
   process that hangs has told what came before.
3. Files are written through a directory descriptor that is known to be on the guarded
   filesystem, so that a lazy unmount never sends a secret elsewhere; it is kept no longer than
   that, so that nothing here pins the filesystem.

It imports nothing of lockgate: it is the outside world.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DIRTY_FILES, CLEAN_FILES = 8, 64
SLOW_S = 1.0
_READ = 1 << 20


class Results:
    """What one process of the load saw."""

    def __init__(self, path: Path, role: str) -> None:
        self._file = path.open("a", buffering=1)
        self._role = role
        self._since: Counter[str] = Counter()
        self._flushed = time.monotonic()
        self._slowest = 0.0

    def count(self, what: str, wait: float) -> None:
        """One open that ended after ``wait`` seconds with the word ``what``."""
        self._since[what] += 1
        self._slowest = max(self._slowest, wait)
        if wait > SLOW_S:
            self.tell("slow", wait=wait, result=what)
        if time.monotonic() - self._flushed > 0.25:
            self.flush()

    def tell(self, event: str, **facts: object) -> None:
        """Write a line now."""
        line = {"t": time.monotonic(), "role": self._role, "event": event, **facts}
        self._file.write(json.dumps(line) + "\n")

    def flush(self) -> None:
        """Write the counts since the last time."""
        if self._since:
            since = self._flushed
            self.tell("counts", since=since, counts=dict(self._since), slowest=self._slowest)
        self._since.clear()
        self._slowest = 0.0
        self._flushed = time.monotonic()


class Load:
    """A zone as this process sees it."""

    def __init__(self, zone: Path, results: Results, marker: bytes, seed: int) -> None:
        self.zone = zone
        self.results = results
        self.marker = marker
        self.choice = random.Random(seed)
        self.device = zone.stat().st_dev

    def attempt(self, way: Callable[[str], bytes], path: str) -> None:
        """Try to get bytes out of ``path``; a marker among them is a leak."""
        begun = time.monotonic()
        try:
            taken = way(path)
            result = "read"
        except OSError as error:
            taken, result = b"", os.strerror(error.errno or 0)
        wait = time.monotonic() - begun
        self.results.count(result, wait)
        if self.marker in taken:
            self.results.tell("leak", way=way.__name__, path=path, wait=wait)

    def write(self, name: str, content: bytes) -> bool:
        """Write a file whole under its name, as careful programs do."""
        temporary = f".{name}.{os.getpid()}"
        with suppress(OSError), self.directory() as directory:
            try:
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=directory)
                with os.fdopen(fd, "wb") as target:
                    target.write(content)
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                os.unlink(temporary, dir_fd=directory)
            else:
                return True
        return False

    @contextmanager
    def directory(self) -> Iterator[int]:
        """The zone's directory, opened for one thing.

        Raises:
            FileNotFoundError: another filesystem is there at the moment.
        """
        fd = os.open(self.zone, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if os.fstat(fd).st_dev != self.device:
                raise FileNotFoundError(errno.ENOENT, "the zone is not mounted")
            yield fd
        finally:
            os.close(fd)


def read(path: str) -> bytes:
    """One open and one read."""
    with open(path, "rb", buffering=0) as source:
        return source.read(_READ)


def read_write(path: str) -> bytes:
    """open(2) for reading and writing."""
    fd = os.open(path, os.O_RDWR)
    try:
        return os.read(fd, _READ)
    finally:
        os.close(fd)


def mapped(path: str) -> bytes:
    """An mmap(2) of the whole file."""
    with open(path, "rb") as source, mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ) as view:
        return view[:]


def sent(path: str) -> bytes:
    """A sendfile(2) into a socket."""
    ours, theirs = socket.socketpair()
    with open(path, "rb", buffering=0) as source, ours, theirs:
        ours.settimeout(5)
        count = os.sendfile(theirs.fileno(), source.fileno(), 0, 65536)
        return ours.recv(count) if count else b""


def reopened(path: str) -> bytes:
    """O_PATH, then the link in /proc."""
    fd = os.open(path, os.O_PATH)
    try:
        return read(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def linked(path: str) -> bytes:
    """A hard link under another name."""
    other = f"{path}.{os.getpid()}.link"
    os.link(path, other)
    try:
        return read(other)
    finally:
        Path(other).unlink()


WAYS = (read, read_write, mapped, sent, reopened, linked)


def dirty(load: Load) -> None:
    """Open files that hold a key and are judged already, or should be."""
    name = f"dirty-{load.choice.randrange(DIRTY_FILES)}"
    load.attempt(load.choice.choice(WAYS), str(load.zone / name))
    time.sleep(0.002)


def fresh(load: Load) -> None:
    """Open files the moment they are written: nobody has judged them yet."""
    name = f"fresh-{os.getpid()}"
    template = read_template(load)
    filler = load.choice.randbytes(load.choice.randrange(1000, 60_000)).hex().encode()
    if load.write(name, filler + template):
        load.attempt(load.choice.choice(WAYS), str(load.zone / name))
    time.sleep(0.01)


def read_template(load: Load) -> bytes:
    """The dirty content, made once by whoever started the load."""
    return Path(os.environ["CHAOS_TEMPLATE"]).read_bytes()


def flip(load: Load) -> None:
    """Write a key into a file that readers are let in to, and take it away again."""
    content = read_template(load) if load.choice.random() < 0.5 else b"an ordinary line\n" * 200
    with suppress(OSError), load.directory() as directory:
        fd = os.open("flip", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=directory)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)
    time.sleep(load.choice.random() * 0.05)


def linger(load: Load) -> None:
    """Keep the descriptor of the file that is flipped, and read it again and again."""

    def keep_open(path: str) -> bytes:
        taken = b""
        with open(path, "rb", buffering=0) as source:
            for _ in range(10):
                taken += os.pread(source.fileno(), _READ, 0)
                time.sleep(0.01)
        return taken

    load.attempt(keep_open, str(load.zone / "flip"))
    time.sleep(0.005)


def clean(load: Load) -> None:
    """Open files that hold nothing; their failures are what users would complain of."""
    load.attempt(read, str(load.zone / f"clean-{load.choice.randrange(CLEAN_FILES)}"))
    time.sleep(0.002)


ROLES = {role.__name__: role for role in (dirty, fresh, flip, linger, clean)}


def main() -> None:
    """Load until SIGTERM."""
    role, zone, path, marker, seed = sys.argv[1:]
    results = Results(Path(path), role)
    load = Load(Path(zone), results, marker.encode(), int(seed))
    running = True

    def end(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, end)
    while running:
        ROLES[role](load)
    results.flush()
    results.tell("ended")


if __name__ == "__main__":
    main()
