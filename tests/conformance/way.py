"""What a way out is: a small function that tries to carry a file's bytes out of a filesystem.

Rules enforced here:

1. A way returns whatever bytes it got out, or raises the error it met. It knows nothing of
   guards, and never decides by itself whether something leaked.
2. What must happen before the guard is put on stands before the ``yield`` of a way that is a
   generator function; everything else happens under the guard.
3. A way that cannot exist on a filesystem says so when it is declared. It is not skipped
   because it failed.
"""

from __future__ import annotations

import enum
import errno
import inspect
import os
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.conformance.contents import Content

FILESYSTEMS = ("ext4", "xfs", "btrfs", "tmpfs")
ON_A_DEVICE = ("ext4", "xfs", "btrfs")
WITH_REFLINKS = ("xfs", "btrfs")

#: Seconds a program of a way may take.
PATIENCE_S = 15.0
_RETRIES_S = 12.0
_PASSING_ERRORS = frozenset({errno.EAGAIN, errno.EBUSY})


class Scope(enum.Enum):
    """When the bytes become secret, and whether the design promises to keep them."""

    CORE = "core"
    BEFORE = "before"
    RACE = "race"
    NOT_PROMISED = "not promised"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one attempt happens.

    ``file`` in ``zone`` holds ``content``. ``outside`` is on the same filesystem beside the
    zone; ``elsewhere`` is an empty folder on another filesystem. ``innocent`` is clean
    content for ways that begin with a clean file. ``ends_with_read``: a race ends with an
    ordinary read that counts; without it, only the race itself can show anything.
    """

    filesystem: str
    mount_point: Path
    device: str
    image: str
    zone: Path
    outside: Path
    elsewhere: Path
    content: Content
    innocent: Content
    ends_with_read: bool = True

    @property
    def file(self) -> Path:
        """The file whose bytes are wanted."""
        return self.zone / "wanted"

    def write_file(self, content: Content | None = None) -> Path:
        """Write ``content`` (else the wanted content) into the file, by a process of its own.

        So that the attempt's own process is never the file's creator.
        """
        return write_apart(self.file, (content or self.content).body)


Steps = Generator[None, None, bytes]
Attempt = Callable[[Place], "bytes | Steps"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way out. ``writes``: the way writes the wanted file itself."""

    name: str
    family: str
    attempt: Attempt
    scope: Scope
    filesystems: tuple[str, ...]
    writes: bool
    reason: str = ""

    @property
    def begins_before(self) -> bool:
        """Whether a part of it happens before the guard is put on."""
        return inspect.isgeneratorfunction(self.attempt)

    def steps(self, place: Place) -> Steps:
        """The attempt, with a ``yield`` where the guard is put on."""
        if self.begins_before:
            self._write(place)
            return (yield from cast("Steps", self.attempt(place)))
        yield
        self._write(place)
        return cast("bytes", self.attempt(place))

    def _write(self, place: Place) -> None:
        if not self.writes:
            place.write_file()


WAYS: dict[str, Way] = {}


def way(
    name: str,
    family: str,
    *,
    scope: Scope = Scope.CORE,
    on: Sequence[str] = FILESYSTEMS,
    writes: bool = False,
    reason: str = "",
) -> Callable[[Attempt], Attempt]:
    """Declare a way. ``reason`` says why it is not promised, or not possible everywhere."""

    def declare(attempt: Attempt) -> Attempt:
        if name in WAYS:
            raise ValueError(f"two ways are named {name}")
        if scope is Scope.NOT_PROMISED and not reason:
            raise ValueError(f"{name}: say why it is not promised")
        WAYS[name] = Way(name, family, attempt, scope, tuple(on), writes, reason)
        return attempt

    return declare


def tool(name: str, family: str, *command: str, **options: object) -> None:
    """Declare a program that prints the file; ``{file}`` and its like come from the place."""

    def attempt(place: Place) -> bytes:
        return output_of(*(filled(word, place) for word in command))

    way(name, family, **options)(attempt)  # type: ignore[arg-type]


def filled(word: str, place: Place) -> str:
    """``word`` with the place's folders in it."""
    return word.format(
        file=place.file,
        zone=place.zone,
        outside=place.outside,
        elsewhere=place.elsewhere,
        out=place.elsewhere / "out",
    )


def output_of(*command: str | Path, give: bytes = b"", cwd: Path | None = None) -> bytes:
    """What a program prints, however it ends."""
    done = subprocess.run(
        [str(word) for word in command],
        input=give,
        stdout=subprocess.PIPE,
        timeout=PATIENCE_S,
        cwd=cwd,
        check=False,
    )
    return done.stdout


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a program that must succeed."""
    subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        cwd=cwd,
        check=True,
    )


def read_path(path: Path | str) -> bytes:
    """Open and read."""
    with open(path, "rb") as source:
        return source.read()


def read_patiently(path: Path | str, seconds: float = _RETRIES_S) -> bytes:
    """Open and read, trying again while the answer is to try again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return read_path(path)
        except OSError as error:
            if error.errno not in _PASSING_ERRORS or time.monotonic() > end:
                raise
        time.sleep(0.02)


def open_patiently(
    path: Path | str, flags: int, seconds: float = _RETRIES_S, mode: int = 0o777
) -> int:
    """open(2), trying again while the answer is to try again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return os.open(path, flags, mode)
        except OSError as error:
            if error.errno not in _PASSING_ERRORS or time.monotonic() > end:
                raise
        time.sleep(0.02)


def all_that(*attempts: Callable[[], bytes]) -> bytes:
    """What each of several tries gave; a try that is refused gives nothing.

    Raises:
        OSError: the last refusal, when nothing at all was got.
    """
    got, refusal = [], None
    for attempt in attempts:
        try:
            got.append(attempt())
        except OSError as error:
            refusal = error
    if not got and refusal is not None:
        raise refusal
    return b"".join(got)


def in_child(task: Callable[[], bytes]) -> bytes:
    """What ``task`` gives in a process of its own; its OSError is raised here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _send(writing, b"+" + task())
        except OSError as error:
            _send(writing, b"-%d" % (error.errno or errno.EIO))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as source:
        answer = source.read()
    os.waitpid(child, 0)
    if answer[:1] == b"-":
        code = int(answer[1:])
        raise OSError(code, os.strerror(code))
    return answer[1:]


def _send(fd: int, answer: bytes) -> None:
    while answer:
        answer = answer[os.write(fd, answer) :]


def write_apart(path: Path, body: bytes, mode: int = 0o755) -> Path:
    """Write ``body`` to ``path`` in a process that has ended when this returns.

    It tries again while the guard says so: the file's inode number may be that of one whose
    reader was killed inside open(2), and such a reader counts until the kernel was asked.
    """

    def write() -> bytes:
        target = open_patiently(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=mode)
        _send(target, body)
        os.close(target)
        return b""

    in_child(write)
    return path
