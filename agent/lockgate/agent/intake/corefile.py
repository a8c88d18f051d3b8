"""The front of an ELF core: what crashed and where (elf(5), core(5), System V ABI chapter 5).

Rules enforced here:

1. Pure: bytes in, facts out. The bytes may be anybody's; nothing here raises but
   :class:`NotACoreError`, and nothing is taken from beyond the notes.
2. The kernel writes headers and notes before any content, the crashed thread's note first.

Registers are read for 64-bit x86 and ARM; of other machines only size and signal are known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: No more than this is read before a decision; the notes of 10,000 threads fit.
MOST_FRONT_BYTES = 32 << 20
_ET_CORE, _PT_LOAD, _PT_NOTE, _PN_XNUM, _PF_X = 4, 1, 4, 0xFFFF, 1
_NT_PRSTATUS, _NT_AUXV, _NT_FILE = 1, 6, 0x46494C45
_IDENT_BYTES = 16
_LEAST_BYTES = 64
#: e_machine -> where the program counter and the stack pointer stand in struct elf_prstatus.
_REGISTERS = {62: (240, 264), 183: (368, 360)}


class NotACoreError(Exception):
    """The bytes are not the front of an ELF core."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A file that was mapped. ``offset``: bytes in the file where the mapping starts."""

    start: int
    end: int
    offset: int
    path: bytes


@dataclass(frozen=True, slots=True)
class CoreFront:
    """What a core says before its content.

    ``size``: bytes the whole core will have. ``code``: address ranges that were executable.
    Registers 0: not known.
    """

    size: int
    signal: int = 0
    thread: int = 0
    program_counter: int = 0
    stack_pointer: int = 0
    code: tuple[tuple[int, int], ...] = ()
    mappings: tuple[Mapping, ...] = ()
    program_headers: int = 0


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


@dataclass(frozen=True, slots=True)
class _Header:
    order: str
    wide: bool
    machine: int
    place: int
    count: int
    width: int
    sections_end: int


def bytes_needed(front: bytes) -> int:
    """How many bytes the front has; more than ``len(front)``: read on and ask again.

    Raises:
        NotACoreError: no core starts so, or its front is longer than the bound.
    """
    if len(front) < _LEAST_BYTES:
        _check_magic(front)
        return _LEAST_BYTES
    header = _header(front)
    first = header.place + header.width
    if header.count == _PN_XNUM:
        # The true count stands behind the content; the kernel's first segment is the notes,
        # and they follow the table at once.
        if len(front) < first:
            return _bounded(first)
        table = next(_segments(front, header, 1)).offset
    else:
        table = header.place + header.count * header.width
    if len(front) < table:
        return _bounded(table)
    notes = [s.offset + s.file_size for s in _all_segments(front, header) if s.kind == _PT_NOTE]
    return _bounded(max(notes, default=table))


def read_front(front: bytes) -> CoreFront:
    """The facts of a whole front.

    Raises:
        NotACoreError: it is none.
    """
    if len(front) < _LEAST_BYTES:
        raise NotACoreError
    header = _header(front)
    segments = tuple(_all_segments(front, header))
    ends = [s.offset + s.file_size for s in segments]
    size = max([header.sections_end, *ends])
    code = tuple(
        (s.address, s.address + s.memory_size)
        for s in segments
        if s.kind == _PT_LOAD and s.flags & _PF_X
    )
    notes: dict[int, bytes] = {}
    for segment in segments:
        if segment.kind == _PT_NOTE:
            content = front[segment.offset : segment.offset + segment.file_size]
            for kind, body in _notes(content, header.order):
                notes.setdefault(kind, body)
    return _facts(header, size, code, notes)


def _facts(
    header: _Header, size: int, code: tuple[tuple[int, int], ...], notes: dict[int, bytes]
) -> CoreFront:
    order = header.order
    status = notes.get(_NT_PRSTATUS, b"")
    signal = _field(order + "h", status, 12)
    thread = _field(order + "i", status, 32 if header.wide else 24)
    places = _REGISTERS.get(header.machine, (0, 0)) if header.wide else (0, 0)
    counter, stack = (_field(order + "Q", status, p) if p else 0 for p in places)
    auxiliary = dict(struct.iter_unpack(order + "QQ", _whole(notes.get(_NT_AUXV, b""), 16)))
    return CoreFront(
        size=size,
        signal=signal,
        thread=thread,
        program_counter=counter,
        stack_pointer=stack,
        code=code,
        mappings=tuple(_mappings(notes.get(_NT_FILE, b""), order)) if header.wide else (),
        program_headers=auxiliary.get(3, 0) if header.wide else 0,  # AT_PHDR
    )


def _check_magic(front: bytes) -> None:
    if not b"\x7fELF".startswith(front[:4]):
        raise NotACoreError


def _header(front: bytes) -> _Header:
    _check_magic(front)
    if front[4] not in {1, 2} or front[5] not in {1, 2}:
        raise NotACoreError
    order, wide = "<" if front[5] == 1 else ">", front[4] == 2
    fields = struct.unpack_from(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), front, 16)
    kind, machine, place, sections = fields[0], fields[1], fields[4], fields[5]
    width, count, section_width, section_count = fields[8:12]
    if kind != _ET_CORE or width != (56 if wide else 32) or not count or place < _IDENT_BYTES:
        raise NotACoreError
    end = sections + section_width * section_count if sections else 0
    return _Header(order, wide, machine, place, count, width, end)


def _segments(front: bytes, header: _Header, count: int) -> Iterator[_Segment]:
    table = front[header.place : header.place + count * header.width]
    shape = header.order + ("IIQQQQQQ" if header.wide else "IIIIIIII")
    for fields in struct.iter_unpack(shape, _whole(table, header.width)):
        if header.wide:
            kind, flags, offset, address, _, file_size, memory_size, _ = fields
        else:
            kind, offset, address, _, file_size, memory_size, flags, _ = fields
        yield _Segment(kind, flags, offset, address, file_size, memory_size)


def _all_segments(front: bytes, header: _Header) -> Iterator[_Segment]:
    count = header.count
    if count == _PN_XNUM:
        first = next(_segments(front, header, 1), None)
        count = max(1, (first.offset - header.place) // header.width) if first else 0
    return _segments(front, header, count)


def _notes(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and body of each note of the kernel's (names ``CORE`` and ``LINUX``)."""
    place = 0
    while place + 12 <= len(content):
        name_size, size, kind = struct.unpack_from(order + "III", content, place)
        name = place + 12
        body = name + _aligned(name_size)
        place = body + _aligned(size)
        if place > len(content) + 3:
            return
        if content[name : name + name_size].rstrip(b"\0") == b"CORE":
            yield kind, content[body : body + size]


def _mappings(body: bytes, order: str) -> Iterator[Mapping]:
    """NT_FILE: a count, a page size, {start, end, page} for each, then the names."""
    if len(body) < 16:
        return
    count, page = struct.unpack_from(order + "QQ", body)
    names_at = 16 + count * 24
    if names_at > len(body):
        return
    names = body[names_at:].split(b"\0")
    rows = struct.iter_unpack(order + "QQQ", body[16:names_at])
    for (start, end, number), name in zip(rows, names, strict=False):
        yield Mapping(start, end, number * page, name)


def _field(shape: str, body: bytes, place: int) -> int:
    if len(body) < place + struct.calcsize(shape):
        return 0
    return int(struct.unpack_from(shape, body, place)[0])


def _whole(table: bytes, width: int) -> bytes:
    return table[: len(table) // width * width]


def _aligned(size: int) -> int:
    return (size + 3) & ~3


def _bounded(size: int) -> int:
    if size > MOST_FRONT_BYTES:
        raise NotACoreError
    return size
