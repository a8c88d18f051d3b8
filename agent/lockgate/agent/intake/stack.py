"""Which crash this is: the same one gives the same signature, wherever it was loaded.

Rules enforced here:

1. An address counts as a place in a file (name and offset), never as a number: address space
   layout randomisation must not make two crashes of one fault.
2. There is no unwinder: without frame pointers and debug data a stack is walked by what it
   holds. The first words above the stack pointer that point into code stand for the frames.
3. Memory that cannot be read leaves the program counter alone, which is still a place.
"""

from __future__ import annotations

import hashlib
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from lockgate.agent.intake.corefile import CoreFront

#: Reads memory of the crashed process: address, count -> bytes; empty where there is none.
Read = Callable[[int, int], bytes]

FRAMES = 4
_STACK_BYTES = 4096
_HEADER_BYTES = 4096
_MOST_NOTE_BYTES = 4096
_PT_PHDR, _PT_NOTE, _NT_GNU_BUILD_ID = 6, 4, 3


def frames(front: CoreFront, read: Read) -> tuple[str, ...]:
    """The program counter and the first return addresses, each as ``NAME+0xOFFSET``."""
    stack = read(front.stack_pointer, _STACK_BYTES) if front.stack_pointer else b""
    words = (word for (word,) in struct.iter_unpack("=Q", stack[: len(stack) // 8 * 8]))
    places = _Places(front)
    first = places.name(front.program_counter) or "anonymous"
    return (first, *islice(filter(None, map(places.name, words)), FRAMES))


def signature(unit: str, executable: str, build_id: str, signal: int, at: Iterable[str]) -> str:
    """What two crashes of one loop have in common, as 32 hex digits."""
    words = (unit, executable, build_id, str(signal), *at)
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()[:32]


def build_id(front: CoreFront, read: Read) -> str:
    """The build id of the executable as hex, from its headers in memory; empty: it has none.

    AT_PHDR gives the program headers where they were loaded; PT_PHDR, else the page they lie
    in, gives the load address; the note NT_GNU_BUILD_ID (elf(5)) gives the id.
    """
    table = read(front.program_headers, 56 * 16) if front.program_headers else b""
    rows = list(struct.iter_unpack("=IIQQQQQQ", table[: len(table) // 56 * 56]))
    own = [row[3] for row in rows if row[0] == _PT_PHDR]
    base = front.program_headers - own[0] if own else front.program_headers & ~(_HEADER_BYTES - 1)
    for row in rows:
        if row[0] == _PT_NOTE:
            found = _build_id_in(read(base + row[3], min(row[5], _MOST_NOTE_BYTES)))
            if found:
                return found
    return ""


def _build_id_in(notes: bytes) -> str:
    place = 0
    while place + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("=III", notes, place)
        body = place + 12 + ((name_size + 3) & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[place + 12 : place + 16] == b"GNU\0":
            return notes[body : body + size].hex()
        place = body + ((size + 3) & ~3)
    return ""


class _Places:
    """Names of addresses in code."""

    def __init__(self, front: CoreFront) -> None:
        self._mappings = sorted(front.mappings, key=lambda mapping: mapping.start)
        self._starts = [mapping.start for mapping in self._mappings]
        self._code = sorted(front.code)
        self._code_starts = [start for start, _ in self._code]

    def name(self, address: int) -> str:
        """``NAME+0xOFFSET`` of an address in a mapped file's code; empty: it is in none."""
        at = bisect_right(self._code_starts, address) - 1
        if at < 0 or address >= self._code[at][1]:
            return ""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._mappings[at].end:
            return ""
        mapping = self._mappings[at]
        name = mapping.path.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
        return f"{name}+{mapping.offset + address - mapping.start:#x}"


def memory_of(pid_memory: int) -> Read:
    """A :data:`Read` on an open ``/proc/PID/mem`` (proc_pid_mem(5))."""

    def read(address: int, count: int) -> bytes:
        return b"".join(_pages(address, count))

    def _pages(address: int, count: int) -> Iterator[bytes]:
        end = address + count
        while address < end:
            stop = min(end, (address | (_HEADER_BYTES - 1)) + 1)
            try:
                piece = os.pread(pid_memory, stop - address, address)
            except (OSError, OverflowError):
                return
            yield piece
            if len(piece) < stop - address:
                return
            address = stop

    return read
