"""Dumps written from the public layout of their format (synthetic): keys are found in place."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

import pytest
from tests.scan.dumps import writers
from tests.scan.dumps.planted import OTHER_PRIME_AT, PAGE, PEM_AT, PRIME_AT
from tests.scan.dumps.writers import Written

from lockgate.scan.containers.container import Broken
from lockgate.scan.containers.elf_core import ElfCore
from lockgate.scan.containers.kdump import Kdump
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason, Outcome
from lockgate.scan.source import Stream

Writer = Callable[[bytes], Written]

FORMATS: dict[str, Writer] = {
    "elf": writers.elf,
    "elf 32-bit": partial(writers.elf, wide=False),
    "elf big-endian": partial(writers.elf, order=">"),
    "elf big-endian 32-bit": partial(writers.elf, order=">", wide=False),
    "elf of VirtualBox": partial(writers.elf, physical=True, version=0),
    "elf of 70000 segments": writers.elf_of_many,
    "elf of Xen": writers.xen,
    "minidump": writers.minidump,
    "minidump in pieces": partial(writers.minidump, full=False),
    "PAGEDU64 full": writers.pagedump,
    "PAGEDU64 bitmap": partial(writers.pagedump, kind=5),
    "PAGEDUMP full": partial(writers.pagedump, wide=False),
    "LiME": writers.lime,
    "AVML": writers.avml,
    "Mach-O": writers.mach,
    "Mach-O 32-bit big-endian": partial(writers.mach, order=">", wide=False),
    "VMware": writers.vmware,
    "kdump zlib": writers.kdump,
    "kdump plain": partial(writers.kdump, packer="plain"),
    "kdump lzo": partial(writers.kdump, packer="lzo"),
    "kdump snappy": partial(writers.kdump, packer="snappy"),
    "kdump zstd": partial(writers.kdump, packer="zstd"),
    "kdump big-endian": partial(writers.kdump, order=">"),
    "kdump 32-bit": partial(writers.kdump, wide=False),
    "kdump version 1": partial(writers.kdump, version=1),
    "kdump split": partial(writers.kdump, own=True),
    "flattened": lambda memory: writers.flattened(writers.kdump(memory)),
    "QEMU stream": writers.qemu,
    "libvirt save": writers.libvirt,
}


@pytest.mark.parametrize("format_", FORMATS)
def test_keys_are_found_at_their_offsets_and_addresses(format_, planted, scan):
    """Limbs and text in a dump are found, with their places in the dump and in memory."""
    written = FORMATS[format_](planted.memory)

    report = scan(written.data)

    assert report.gaps == ()
    places = {
        (finding.fingerprint, place.member, place.offset, place.address)
        for finding in report.findings
        for place in finding.occurrences
    }
    for fingerprint, at in (
        (planted.limbs, PRIME_AT),
        (planted.limbs, OTHER_PRIME_AT),
        (planted.text, PEM_AT),
    ):
        address = None if written.address is None else written.address + at
        assert (fingerprint, written.member, written.offset + at, address) in places
    assert {f.fingerprint for f in report.findings} == {planted.limbs, planted.text}


@pytest.mark.parametrize("format_", FORMATS)
def test_dump_without_a_key_is_clean(format_, scan):
    """Memory without the keys leaves neither findings nor gaps."""
    report = scan(FORMATS[format_](bytes(PAGE) + b"nothing " * (3 * PAGE // 8)).data)

    assert report.outcome is Outcome.CLEAN


@pytest.mark.parametrize("format_", [f for f in FORMATS if "70000" not in f])
def test_dump_that_ends_early_is_a_gap_and_keeps_what_is_there(format_, planted, scan):
    """Half a page less than promised is told; the keys before it are found."""
    data = FORMATS[format_](planted.memory[: PEM_AT + 2 * 4096]).data
    cut = len(data) - (2048 if len(data) > len(planted.memory) // 2 else 40)

    report = scan(data[:cut])

    assert {g.reason for g in report.gaps} & {GapReason.TRUNCATED, GapReason.DAMAGED}
    assert planted.limbs in {f.fingerprint for f in report.findings}


@pytest.mark.parametrize(
    "format_", ["elf", "minidump", "PAGEDU64 full", "PAGEDU64 bitmap", "LiME", "Mach-O", "VMware"]
)
def test_dump_with_a_damaged_header_still_gives_its_keys(format_, planted, scan):
    """Memory is searched raw, at its own alignment, when the map cannot be read."""
    data = FORMATS[format_](planted.memory).data

    report = scan(data[:8] + b"\xa5" * 500 + data[508:])

    assert {f.fingerprint for f in report.findings} >= {planted.limbs, planted.text}


@pytest.mark.parametrize("format_", [f for f in FORMATS if "70000" not in f])
def test_no_byte_of_a_dump_is_skipped(format_, planted, scan):
    """What stands in a dump beside its memory is searched too, wherever that is."""
    pem = planted.memory[PEM_AT : planted.memory.index(b"\0", PEM_AT)]
    data = FORMATS[format_](b"nothing " * (PAGE // 8)).data

    report = scan(data + b"\n" + pem)

    assert {f.fingerprint for f in report.findings} == {planted.text}


@pytest.mark.parametrize("count", [0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize(
    ("format_", "place", "form"),
    [
        ("minidump", 8, "<I"),
        ("minidump", 56, "<Q"),
        ("minidump in pieces", 56, "<I"),
        ("PAGEDU64 full", 0x88, "<I"),
        ("PAGEDU64 bitmap", 0x2030, "<Q"),
        ("Mach-O", 16, "<I"),
        ("Mach-O", 20, "<I"),
        ("VMware", 8, "<I"),
        ("kdump zlib", 436, "<I"),
    ],
)
def test_hostile_counts_are_gaps_and_lose_no_key(format_, place, form, count, planted, scan):
    """A count of billions is bounded, told, and everything that stands there is searched."""
    data = bytearray(FORMATS[format_](planted.memory).data)
    struct.pack_into(form, data, place, count)

    report = scan(bytes(data))

    assert report.gaps
    packed = format_.startswith("kdump")
    assert packed or {f.fingerprint for f in report.findings} >= {planted.limbs, planted.text}


def test_page_that_does_not_unpack_is_a_gap(planted, scan):
    """Damage in one packed page is told, and the other pages are searched."""
    written = writers.kdump(planted.memory)
    data = bytearray(written.data)
    data[-20:] = b"\xff" * 20

    report = scan(bytes(data))

    assert {(g.reason, g.member) for g in report.gaps} == {(GapReason.DAMAGED, "memory")}
    assert {f.fingerprint for f in report.findings} >= {planted.limbs}


def test_pages_that_are_not_in_an_incomplete_dump_are_a_gap(planted, scan):
    """Descriptors without an offset, as a full disk leaves them, are told."""
    data = bytearray(writers.kdump(planted.memory).data)
    headers, pages = 4 * PAGE, (len(writers.FILLER) + len(planted.memory)) // PAGE
    struct.pack_into("<qIIQ", data, headers + 24 * (pages - 1), 0, 0, 0, 0)

    report = scan(bytes(data))

    assert {(g.reason, g.member) for g in report.gaps} == {(GapReason.TRUNCATED, "memory")}
    assert {f.fingerprint for f in report.findings} == {planted.limbs, planted.text}


@pytest.mark.parametrize("held", [20_000, 4096])
def test_packed_kdump_too_large_to_be_held_is_read_forwards(held, planted):
    """Where the descriptors can be held all is read; where they cannot, that is a gap."""
    data = writers.kdump(planted.memory, "plain").data
    members = Kdump(held=held).members(Stream(iter([data])))

    if held == 4096:
        with pytest.raises(Broken, match="too many to hold"):
            next(members)
    else:
        assert b"".join(next(members).chunks) == writers.FILLER + planted.memory
        assert list(members) == []


def test_stream_with_another_section_before_memory_is_a_gap(planted, scan):
    """Sections do not tell their length: what stands before memory can hide it."""
    data = writers.qemu(planted.memory).data

    report = scan(data.replace(b"\3ram", b"\3rom", 1))

    assert {(g.reason, g.member) for g in report.gaps} == {(GapReason.UNSUPPORTED, "ram")}


def test_unknown_method_of_packing_is_a_gap(planted, scan):
    """Pages packed by a method from the future are unsupported, never clean."""
    data = writers.kdump(planted.memory, "unknown").data

    report = scan(data)

    assert {g.reason for g in report.gaps} == {GapReason.UNSUPPORTED}


@pytest.mark.parametrize("kind", [4, 9])
def test_crash_dump_of_another_type_is_told(kind, planted, scan):
    """A type without a map is a gap, and its pages are searched."""
    report = scan(writers.pagedump(planted.memory, kind).data)

    assert {g.reason for g in report.gaps} == {GapReason.UNSUPPORTED}
    assert {f.fingerprint for f in report.findings} == {planted.limbs, planted.text}


def test_full_count_without_its_section_is_bounded(scan):
    """Segments without number and end are counted up to the limit, and told."""
    header = struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 0xFFFF, 64, 1, 0)
    data = b"\x7fELF\2\1\1" + bytes(9) + header + bytes(100 * 56)
    memory, problems = ElfCore().read_map(Stream(iter([data])), Limits(regions=50))

    assert (memory.regions, [p.reason for p in problems]) == ((), [GapReason.MEMBER_LIMIT])


def test_images_of_machines_may_have_aliases():
    """Regions that overlap are damage in the core of a process only."""
    data = bytearray(writers.elf(bytes(PAGE)).data)
    struct.pack_into("<Q", data, 64 + 56 + 16, writers.FILLER_AT)

    _, process = ElfCore().read_map(Stream(iter([bytes(data)])), Limits())
    struct.pack_into("<Q", data, 64 + 56 + 24, writers.BASE)
    memory, machine = ElfCore().read_map(Stream(iter([bytes(data)])), Limits())

    assert [p.reason for p in process] == [GapReason.DAMAGED]
    assert (list(machine), len(memory.regions)) == ([], 2)


def test_hibernation_file_is_told(scan):
    """A format without a reader is never clean."""
    report = scan(b"HIBR" + bytes(4) + bytes(range(256)) * 64)

    assert {g.reason for g in report.gaps} == {GapReason.UNSUPPORTED}
