"""A core of this very process, of no more memory than a few numbers and what lies around them.

Rules enforced here:

1. The memory is real: pages of this process at their own addresses, read from /proc/self/mem
   (proc(5)), with the structures that lead to the numbers.
2. The form is an ELF core (elf(5), core(5)): ``PT_NOTE`` with room for noise, then one
   ``PT_LOAD`` for each run of pages. Nothing goes through the kernel's core_pattern.
3. It is small: a core that holds a canary is scanned every minute.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

_PAGE = os.sysconf("SC_PAGESIZE")
#: Pages kept on either side of one that is wanted.
_AROUND = 2
_POINTER = struct.Struct("=Q")
_HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("=IIQQQQQQ")
_NOTE = struct.Struct("=III4s")
_ET_CORE, _PT_LOAD, _PT_NOTE, _READ_WRITE = 4, 1, 4, 6
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p ", re.MULTILINE)
#: Bytes of the note in front, for whoever wants two cores of one memory to differ.
NOISE_BYTES = 32
NOISE_AT = _HEADER.size + _NOTE.size


@dataclass(frozen=True, slots=True)
class Memory:
    """``content`` stands at ``address``."""

    address: int
    content: bytes


def around(numbers: Iterable[int]) -> tuple[Memory, ...]:
    """The pages in which ``numbers`` stand as limbs, and those with pointers to them.

    Limbs are 64-bit words, the least significant first, as OpenSSL keeps a BIGNUM.
    """
    writable = list(_writable())
    limbs = [_limbs(number) for number in numbers]
    places = {place for word in limbs for place in _places(writable, word)}
    pointers = {
        found for place in places for found in _places(writable, _POINTER.pack(place), step=8)
    }
    wanted = {
        page + shift
        for page in (place // _PAGE for place in (*places, *pointers))
        for shift in range(-_AROUND, _AROUND + 1)
    }
    return tuple(_runs(writable, wanted))


def core_of(memory: Sequence[Memory]) -> bytes:
    """The ELF core of these pages."""
    note = _NOTE.pack(4, NOISE_BYTES, 0, b"LOCK") + bytes(NOISE_BYTES)
    table = _HEADER.size + len(note)
    at = table + _SEGMENT.size * (len(memory) + 1)
    at += -at % _PAGE
    segments = [_SEGMENT.pack(_PT_NOTE, 0, _HEADER.size, 0, 0, len(note), 0, 4)]
    for part in memory:
        size = len(part.content)
        segments.append(
            _SEGMENT.pack(_PT_LOAD, _READ_WRITE, at, part.address, 0, size, size, _PAGE)
        )
        at += size
    front = _header(table, len(segments)) + note + b"".join(segments)
    front += bytes(-len(front) % _PAGE)
    return front + b"".join(part.content for part in memory)


def _header(table: int, segments: int) -> bytes:
    """Class, byte order and machine are those of the program that runs."""
    with open(sys.executable, "rb") as program:
        ident, _, machine = struct.unpack("=16sHH", program.read(20))
    return _HEADER.pack(
        *(ident, _ET_CORE, machine, 1, 0, table, 0, 0),
        *(_HEADER.size, _SEGMENT.size, segments, 0, 0, 0),
    )


def _limbs(number: int) -> bytes:
    size = (number.bit_length() + 63) // 64 * 8
    return number.to_bytes(size, "little")


def _writable() -> Iterator[Memory]:
    """The private writable memory of this process, as it is now."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        text = maps.read()
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for first, last in _MAPPING.findall(text):
            start, end = int(first, 16), int(last, 16)
            memory.seek(start)
            yield Memory(start, memory.read(end - start))


def _places(writable: Iterable[Memory], wanted: bytes, step: int = 8) -> Iterator[int]:
    """Addresses, divisible by ``step``, at which ``wanted`` stands."""
    for part in writable:
        at = part.content.find(wanted)
        while at >= 0:
            if at % step == 0:
                yield part.address + at
            at = part.content.find(wanted, at + 1)


def _runs(writable: Iterable[Memory], pages: set[int]) -> Iterator[Memory]:
    for part in writable:
        first, count = part.address // _PAGE, len(part.content) // _PAGE
        here = [page for page in range(first, first + count) if page in pages]
        for _, group in groupby(enumerate(here), key=lambda pair: pair[1] - pair[0]):
            run = [page for _, page in group]
            start = (run[0] - first) * _PAGE
            content = part.content[start : start + len(run) * _PAGE]
            yield Memory(run[0] * _PAGE, content)
