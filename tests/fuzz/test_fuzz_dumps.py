"""Fuzz targets for the readers of dumps: damaged dumps never crash, stall, or hide a key.

Every target takes bytes; hypothesis damages valid dumps of every format here, briefly.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scan.dumps import heaps, writers
from tests.scan.dumps.writers import Written

from lockgate.scan.containers import ARCHIVES, DUMPS
from lockgate.scan.containers.container import Archive, Broken, Member
from lockgate.scan.containers.dump import Dump
from lockgate.scan.limits import Limits
from lockgate.scan.memory import PageMap
from lockgate.scan.source import HeldAccess, Stream

LIMITS = Limits(regions=500, frames=1 << 20)
MOST_BYTES = 64 << 20
MEMORY = (b"secret words of memory\x9c" * 400 + bytes(8192))[: 4 * 4096]

WRITERS: dict[str, Callable[[bytes], Written]] = {
    "ELF core": writers.elf,
    "ELF core of Xen": writers.xen,
    "minidump": writers.minidump,
    "minidump in pieces": partial(writers.minidump, full=False),
    "Windows crash dump": writers.pagedump,
    "Windows crash dump with a bitmap": partial(writers.pagedump, kind=5),
    "LiME": writers.lime,
    "Mach-O core": writers.mach,
    "VMware state": writers.vmware,
    "AVML": writers.avml,
    "kdump": writers.kdump,
    "kdump of lzo": partial(writers.kdump, packer="lzo"),
    "kdump of snappy": partial(writers.kdump, packer="snappy"),
    "kdump of zstd": partial(writers.kdump, packer="zstd"),
    "flattened kdump": lambda memory: writers.flattened(writers.kdump(memory)),
    "QEMU migration stream": writers.qemu,
    "libvirt save": writers.libvirt,
    "HPROF": lambda memory: heaps.hprof([heaps.class_(), heaps.array(memory, 8)]),
    "apport report": lambda memory: heaps.crash(writers.elf(memory)),
}


def fuzz_dump(dump: Dump, data: bytes) -> None:
    """Read the map of ``data``; its answers agree, and nothing of the stream is consumed."""
    stream = Stream(iter([data]), HeldAccess(data))
    memory, problems = dump.read_map(stream, LIMITS)
    assert stream.position == 0
    assert len(memory.regions) <= LIMITS.regions
    assert all(0 <= phase < 8 for phase in memory.phases)
    for region in memory.regions[:50]:
        memory.address_of(region.offset)
    if isinstance(memory, PageMap):
        assert memory.address_of(memory.stop) is None
    assert problems or memory.stop >= 0


def fuzz_packed_dump(archive: Archive, data: bytes) -> int:
    """List and read every member; only :class:`Broken` may end it; returns bytes given."""
    stream = Stream(iter([data]), HeldAccess(data))
    given = 0
    with suppress(Broken):
        for item in archive.members(stream):
            if not isinstance(item, Member):
                continue
            with suppress(Broken):
                for chunk in item.chunks:
                    given += len(chunk)
                    if given > MOST_BYTES:
                        return given
    return given


@cache
def valid(name: str) -> bytes:
    """A valid dump of one format."""
    return WRITERS[name](MEMORY).data


def read(data: bytes) -> None:
    """Give ``data`` to whoever recognises it."""
    for dump in DUMPS:
        if dump.recognises(data[:4096]):
            fuzz_dump(dump, data)
    for archive in ARCHIVES:
        if archive.recognises(data[:4096]):
            fuzz_packed_dump(archive, data)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=30, deadline=None)
@given(draw=st.data())
def test_damaged_dumps_end_in_a_map_or_a_problem(name, draw):
    """Words of a valid dump replaced by others, and its end cut off."""
    data = bytearray(valid(name))
    most = len(data) - 1
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.one_of(st.integers(8, min(most, 700)), st.integers(8, most)))
        word = draw.draw(st.one_of(st.binary(max_size=8), st.just(b"\xff" * 8)))
        data[place : place + len(word)] = word
    stop = draw.draw(st.one_of(st.just(len(data)), st.integers(16, len(data))))

    read(bytes(data[:stop]))


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=10, deadline=None)
@given(rest=st.binary(max_size=600))
def test_any_bytes_behind_a_magic_end_in_a_map_or_a_problem(name, rest):
    """The front of a dump before arbitrary bytes."""
    read(valid(name)[:24] + rest)
