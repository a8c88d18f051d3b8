"""Memory maps of ELF cores, honest and lying ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.containers.elf_core import ElfCore
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, PageMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

PAGE = 4096


def core_of(
    loads: list[tuple[int, int, int]],
    order: str = "<",
    *,
    wide: bool = True,
    count: int | None = None,
) -> bytes:
    """A core whose program headers are ``loads`` of (address, offset, length)."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    width = 56 if wide else 32
    front = 64 if wide else 52
    number = len(loads) if count is None else count
    form = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    header = struct.pack(order + form, 4, 62, 1, 0, front, 0, 0, front, width, number, 0, 0, 0)
    table = b""
    for address, offset, length in loads:
        if wide:
            table += struct.pack(order + "IIQQQQQQ", 1, 6, offset, address, 0, length, length, PAGE)
        else:
            table += struct.pack(order + "IIIIIIII", 1, offset, address, 0, length, length, 6, PAGE)
    return ident + header + table


def read(core: bytes, most: int = 1000):
    """The map and the reasons of all problems."""
    memory, problems = ElfCore().read_map(Stream(iter([core])), Limits(regions=most))
    return memory, {p.reason for p in problems}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [True, False])
def test_regions_are_read_in_every_class_and_byte_order(order, wide):
    """Both ELF classes and both byte orders give the same map."""
    core = core_of([(0x10000, PAGE, PAGE), (0x40000, 2 * PAGE, PAGE)], order, wide=wide)

    assert ElfCore().recognises(core)
    memory, reasons = read(core)
    assert memory.regions == (Region(0x10000, PAGE, PAGE), Region(0x40000, 2 * PAGE, PAGE))
    assert reasons == set()


def test_full_count_is_bounded_by_the_first_content():
    """With ``e_phnum`` at its maximum, headers end where content begins."""
    core = core_of([(0x10000, PAGE, PAGE), (0x40000, 2 * PAGE, PAGE)], count=0xFFFF)
    content = core + bytes(3 * PAGE - len(core))

    memory, _ = read(content)

    assert {Region(0x10000, PAGE, PAGE), Region(0x40000, 2 * PAGE, PAGE)} <= set(memory.regions)


@pytest.mark.parametrize(
    ("core", "reason"),
    [
        (core_of([(0, PAGE, PAGE)])[:30], GapReason.DAMAGED),
        (core_of([(0, PAGE, PAGE)] * 3)[:150], GapReason.TRUNCATED),
        (core_of([]), GapReason.DAMAGED),
        (core_of([(0, PAGE, PAGE)])[:64] + bytes(PAGE), GapReason.DAMAGED),
        (core_of([(0, PAGE, 2 * PAGE), (PAGE, PAGE * 9, PAGE)]), GapReason.DAMAGED),
        (core_of([(i * 2 * PAGE, i * PAGE, PAGE) for i in range(20)]), GapReason.MEMBER_LIMIT),
    ],
    ids=[
        "short header",
        "short table",
        "no headers",
        "headers of zeros",
        "overlap in memory",
        "too many",
    ],
)
def test_lying_headers_are_gaps(core, reason):
    """Headers that cannot be true, or not be read, are told."""
    assert reason in read(core, most=10)[1]


def test_memory_left_out_on_purpose_is_no_gap():
    """A core whose segments were all filtered out has headers, no memory, and no problem."""
    memory, reasons = read(core_of([(0x10000, PAGE, 0), (0x20000, PAGE, 0)]))

    assert (memory.regions, reasons) == ((), set())


def test_neighbours_in_memory_and_file_are_one_region():
    """A number across the border of two such regions has an offset."""
    memory = MemoryMap((Region(0x2000, 0x3000, 0x1000), Region(0x1000, 0x2000, 0x1000)))

    assert memory.offset_of(0x1FF8, 16) == 0x2FF8


def test_alignment_follows_the_address():
    """Offsets of aligned addresses are told modulo 8."""
    assert MemoryMap((Region(0x1000, 0x123, 8), Region(0x9000, 0x803, 8))).phases == (3,)
    assert MemoryMap(()).phases == (0,)


@given(
    regions=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5)), max_size=8),
    probe=st.integers(0, 60 * 16),
)
def test_offset_and_address_are_inverse(regions, probe):
    """Where a map gives an offset, that offset leads back to the address."""
    placed, at, offset = [], 0, 7
    for skip, length in regions:
        at += skip
        placed.append(Region(at, offset, length))
        at, offset = at + length, offset + length + 3
    memory = MemoryMap(tuple(placed))

    found = memory.offset_of(probe, 1)

    inside = any(r.address <= probe < r.address + r.length for r in placed)
    assert (found is not None) == inside
    assert found is None or memory.address_of(found) == probe


@given(bitmap=st.binary(max_size=1200), probe=st.integers(0, 9700), start=st.sampled_from([0, 3]))
def test_pages_of_a_bitmap_have_the_addresses_of_their_frames(bitmap, probe, start):
    """The n-th page stands for the frame of the n-th bit that is set."""
    frames = [i for i in range(8 * len(bitmap)) if bitmap[i // 8] >> i % 8 & 1]
    pages = PageMap(bitmap, 16, start)

    inside = probe < len(frames)
    expected = 16 * frames[probe] + 5 if inside else None
    assert pages.address_of(start + 16 * probe + 5) == expected
    assert (pages.pages, pages.stop) == (len(frames), start + 16 * len(frames))
    assert (pages.phases, pages.offset_of(0, 1)) == ((start,), None)


def test_no_pointer_leads_into_physical_memory():
    """A map of physical memory tells addresses, and follows none."""
    memory = MemoryMap((Region(0x1000, 0, 0x1000),), physical=True)

    assert (memory.address_of(8), memory.offset_of(0x1008, 8)) == (0x1008, None)
