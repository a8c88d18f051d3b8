"""What happens to dumps: damaged, bared, packed, cut to pieces, nearly wiped.

Each variant of a dump is a file beside it, named ``<dump>.<variant>``; its truth is searched
anew. The pages that are dropped are chosen by the file's own content, so that a build of the
same dump drops the same ones.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import elf
from brute import Patterns
from forms import number_forms
from keys import Key
from processes import run
from truth import private_patterns

_PAGE = 4096
#: Tools by the suffix of what they write.
_PACKERS = {"gz": ("gzip", "-1"), "zst": ("zstd", "-q", "-1"), "xz": ("xz", "-0")}
#: Dumps larger than this (bytes, holes not counted) get no packed variants: they prove nothing new.
_MOST_PACKED = 64 << 20


def write(dump: Path, key: Key) -> None:
    """Write the variants of one dump that make sense for it."""
    _packed(dump)
    if dump.name.split(".")[-1] != "core":
        return
    loaded = elf.segments(dump)
    _headless(dump)
    _bare(dump, loaded)
    _pages_lost(dump, loaded)
    if key.family == "rsa":
        _one_copy_left(dump, key)


def plain(dump: Path) -> Path:
    """The unpacked content as a file: the dump itself, or one in the temporary folder."""
    tool = {"gz": "gzip", "zst": "zstd", "xz": "xz"}.get(dump.suffix[1:])
    if tool is None:
        return dump
    handle = Path(tempfile.mkstemp(prefix="lockgate-corpus-")[1])
    handle.write_bytes(run(tool, "-dc", str(dump)))
    return handle


def _packed(dump: Path) -> None:
    if dump.stat().st_size > _MOST_PACKED:
        return
    for suffix, command in _PACKERS.items():
        target = dump.with_name(f"{dump.name}.{suffix}")
        target.write_bytes(run(*command, "-c", str(dump)))


def _copy(dump: Path, name: str) -> Path:
    target = dump.with_name(f"{dump.name}.{name}")
    run("cp", "--sparse=always", str(dump), str(target))
    return target


def _headless(dump: Path) -> None:
    """The first 64 bytes overwritten, as by a broken copy."""
    with _copy(dump, "headless").open("r+b") as file:
        file.write(b"\xa5" * 64)


def _bare(dump: Path, loaded: list[elf.Segment]) -> None:
    """The memory alone: the segments one after another."""
    target = dump.with_name(f"{dump.name}.bare")
    with dump.open("rb") as source, target.open("wb") as out:
        for segment in loaded:
            source.seek(segment.offset)
            shutil.copyfileobj(_Part(source, segment.size), out, 1 << 20)
    run("fallocate", "--dig-holes", str(target))


class _Part:
    """The next ``size`` bytes of a file."""

    def __init__(self, file, size: int) -> None:
        """Read on from where the file stands."""
        self._file, self._left = file, size

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; empty at the end."""
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data


def _pages_lost(dump: Path, loaded: list[elf.Segment]) -> None:
    """Half of all pages lost, at random: zeros, as of pages that were swapped out."""
    chance = random.Random(dump.stat().st_size)
    with _copy(dump, "half").open("r+b") as file:
        for segment in loaded:
            for at in range(0, segment.size, _PAGE):
                place = segment.offset + at
                if chance.random() < 0.5 and _holds_data(file.fileno(), place):
                    file.seek(place)
                    file.write(bytes(min(_PAGE, segment.size - at)))
    run("fallocate", "--dig-holes", str(dump.with_name(f"{dump.name}.half")))


def _holds_data(descriptor: int, place: int) -> bool:
    """Whether the page there is more than a hole of the file."""
    try:
        return os.lseek(descriptor, place, os.SEEK_DATA) < place + _PAGE
    except OSError:  # nothing but holes up to the end
        return False


def _one_copy_left(dump: Path, key: Key) -> None:
    """Every private part wiped in every form, but for one copy of p."""
    wanted = private_patterns(key)
    found = Patterns(wanted).find(dump)
    numbers = number_forms(*key.numbers["p"])
    copies = [(at, f"p/{form}") for form in numbers for at in found.get(f"p/{form}", [])]
    if not copies:
        return
    spared, form = min(copies)
    kept = bytes(wanted[form])
    with _copy(dump, "one-p").open("r+b") as file:
        for name, places in found.items():
            for at in places:
                file.seek(at)
                file.write(bytes(len(wanted[name])))
        file.seek(spared)
        file.write(kept)
