"""Files of this machine in which there is no private key: programs, text, stores, noise.

Nothing of lockgate is imported. Published test keys may be in them (libraries carry their own for
self-tests): those are class ``test``, and no false findings. Folders where an administrator may
keep keys (``/etc`` but for the public stores, homes) are not looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MB = 1_000_000
_PYTHON = Path(sys.prefix) / "lib"
#: Kind, folders and patterns, and its share of the bytes asked for.
_SHARES = (
    ("certificate stores", ("/etc/ssl/certs", "/usr/share/ca-certificates"), "*", 0.02),
    (
        "crypto libraries",
        ("/usr/lib",),
        "lib*{crypt,ssl,tls,nettle,nss,freebl,sodium,ssh}*.so*",
        0.06,
    ),
    ("libraries", ("/usr/lib", "/opt"), "*.so*", 0.28),
    ("programs", ("/usr/bin", "/usr/sbin", "/usr/libexec"), "*", 0.18),
    ("documents", ("/usr/share/doc", "/usr/share/man", "/usr/share/info"), "*", 0.08),
    ("data", ("/usr/share",), "*", 0.12),
    (
        "source code",
        ("/usr/include", "/usr/lib/python3", "/usr/share/perl", str(_PYTHON)),
        "*",
        0.12,
    ),
)
_NOISE_SHARE = 0.08
#: Larger files are left out, so that every kind has many.
_MOST_BYTES = 40 * _MB


@dataclass(frozen=True, slots=True)
class Sample:
    """One file and the kind it stands for."""

    kind: str
    path: Path
    size: int


def gather(megabytes: int, folder: Path) -> list[Sample]:
    """Files of about that many MB in all; what has to be made is made in ``folder``."""
    seen: set[tuple[int, int]] = set()
    found: list[Sample] = []
    for kind, roots, pattern, share in _SHARES:
        found += _some(kind, roots, pattern, int(share * megabytes * _MB), seen)
    return [*found, *_noise(folder, int(_NOISE_SHARE * megabytes * _MB)), *_keyless_cores(folder)]


def _some(
    kind: str, roots: tuple[str, ...], pattern: str, room: int, seen: set[tuple[int, int]]
) -> Iterator[Sample]:
    for path in _matching(roots, pattern):
        status = path.stat()
        identity = status.st_dev, status.st_ino
        if identity in seen or not 0 < status.st_size <= min(room, _MOST_BYTES):
            continue
        seen.add(identity)
        room -= status.st_size
        yield Sample(kind, path, status.st_size)


def _matching(roots: tuple[str, ...], pattern: str) -> Iterator[Path]:
    """Regular files below the roots, in an order that mixes folders but is always the same."""
    head, _, rest = pattern.partition("{")
    words, _, tail = rest.partition("}")
    patterns = [head + word + tail for word in words.split(",")] if rest else [pattern]
    paths = {
        path
        for root in roots
        for one in patterns
        for path in Path(root).rglob(one)
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
    }
    return iter(sorted(paths, key=lambda path: (path.name, str(path))))


def _noise(folder: Path, size: int) -> Iterator[Sample]:
    """Random bytes, and text that was packed: what compressed media look like."""
    noise = folder / "random"
    noise.write_bytes(os.urandom(size // 2))
    yield Sample("random", noise, size // 2)
    packed = folder / "packed.xz"
    text = b"".join(str(number * number).encode() for number in range(size // 40))
    subprocess.run(["xz", "-1", "-c"], input=text, stdout=packed.open("wb"), check=True)
    yield Sample("compressed", packed, packed.stat().st_size)


_PROGRAMS = {
    "python": [sys.executable, "-c", "import json, ssl, sqlite3, sys; sys.stdin.read()"],
    "shell": ["sh", "-c", "read line"],
    "sqlite3": ["sqlite3"],
    "gdb": ["gdb", "-q"],
}


def _keyless_cores(folder: Path) -> Iterator[Sample]:
    """Real cores of programs that hold no key of anybody's."""
    for name, command in _PROGRAMS.items():
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            core = folder / f"core-{name}"
            words = ["gcore", "-o", str(core), str(process.pid)]
            subprocess.run(words, check=True, capture_output=True, timeout=60)
            (made,) = folder.glob(f"core-{name}.*")
            yield Sample("keyless cores", made, made.stat().st_size)
        finally:
            process.kill()
            process.wait()
