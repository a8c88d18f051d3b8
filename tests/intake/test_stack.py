"""Signatures of crashes: the same place is the same, wherever it was loaded."""

from __future__ import annotations

import struct
from dataclasses import replace

from cores import CODE_AT, POINTER, core

from lockgate.agent.intake.corefile import CoreFront, Mapping, read_front
from lockgate.agent.intake.stack import FRAMES, build_id, frames, signature


def memory(pieces: dict[int, bytes]):
    """A memory of some pieces; nothing elsewhere."""

    def read(address: int, count: int) -> bytes:
        for start, content in pieces.items():
            if start <= address < start + len(content):
                return content[address - start : address - start + count]
        return b""

    return read


def words(*values: int) -> bytes:
    """Words as they lie on a stack."""
    return struct.pack(f"={len(values)}Q", *values)


def shifted(front: CoreFront, by: int) -> CoreFront:
    """The same process, loaded elsewhere."""
    return replace(
        front,
        program_counter=front.program_counter + by,
        code=tuple((start + by, end + by) for start, end in front.code),
        mappings=tuple(Mapping(m.start + by, m.end + by, m.offset, m.path) for m in front.mappings),
    )


def test_frames_are_places_in_files() -> None:
    """The counter first, then what on the stack points into code, and nothing else."""
    stack = words(7, CODE_AT + 0x10, 0xDEAD, CODE_AT + 0x20)
    found = frames(read_front(core()), memory({POINTER: stack}))
    assert found == ("service+0x123", "service+0x10", "service+0x20")


def test_no_more_frames_than_the_first() -> None:
    """What lies deeper changes nothing."""
    stack = words(*(CODE_AT + n for n in range(20)))
    assert len(frames(read_front(core()), memory({POINTER: stack}))) == 1 + FRAMES


def test_the_same_crash_elsewhere_in_memory_has_the_same_frames() -> None:
    """Address space layout randomisation does not make two crashes of one."""
    front = read_front(core())
    here = frames(front, memory({POINTER: words(CODE_AT + 0x10)}))
    there = frames(shifted(front, 0x5000), memory({POINTER: words(CODE_AT + 0x5010)}))
    assert here == there


def test_without_memory_the_counter_remains() -> None:
    """Memory that cannot be read is no reason to know nothing."""
    assert frames(read_front(core()), memory({})) == ("service+0x123",)


def test_signatures_tell_units_and_places_apart() -> None:
    """Each part counts."""
    one = signature("a.service", "/bin/a", "id", 11, ("x+0x1",))
    assert one == signature("a.service", "/bin/a", "id", 11, ("x+0x1",))
    others = [
        signature("b.service", "/bin/a", "id", 11, ("x+0x1",)),
        signature("a.service", "/bin/a", "other", 11, ("x+0x1",)),
        signature("a.service", "/bin/a", "id", 6, ("x+0x1",)),
        signature("a.service", "/bin/a", "id", 11, ("x+0x2",)),
    ]
    assert one not in others
    assert len(set(others)) == len(others)


def test_the_build_id_is_read_from_the_headers_in_memory() -> None:
    """AT_PHDR, then PT_NOTE, then the note."""
    head = struct.pack("=IIQQQQQQ", 4, 4, 0, 0x200, 0, 36, 36, 4)
    note = struct.pack("=III", 4, 20, 3) + b"GNU\0" + bytes(range(20))
    pieces = {CODE_AT + 64: head, CODE_AT + 0x200: note}
    assert build_id(read_front(core()), memory(pieces)) == bytes(range(20)).hex()


def test_an_executable_without_build_id_has_none() -> None:
    """Absent is empty, never an error."""
    assert build_id(read_front(core()), memory({})) == ""
