"""One fuzz target for every parser of hostile bytes: ``fuzz_<parser>(data)`` must not raise.

Any engine that feeds bytes can drive the targets; here hypothesis does so briefly, from random
bytes and from damaged valid input.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan.blocks import Block, Blocks
from lockgate.scan.containers import ARCHIVES, elf_core
from lockgate.scan.containers.container import Archive, Broken, Member
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.search import bignum, limbs
from lockgate.scan.search.anchors import Anchors
from lockgate.scan.search.numbers import NumberPool
from lockgate.scan.source import Stream
from lockgate.scan.walk import Place

MOST_BYTES = 64 << 20


def stream_of(data: bytes) -> Stream:
    """The bytes as a stream of small pieces."""
    file = io.BytesIO(data)
    return Stream(iter(lambda: file.read(777), b""))


def fuzz_archive(archive: Archive, data: bytes) -> int:
    """List and read every member; only :class:`Broken` may end it."""
    given = 0
    with suppress(Broken):
        for item in archive.members(stream_of(data)):
            if isinstance(item, Member):
                for chunk in item.chunks:
                    given += len(chunk)
                    if given > MOST_BYTES:
                        return given
    return given


def fuzz_elf_core(data: bytes) -> MemoryMap:
    """Read the map of a core; every answer of the map lies inside its regions."""
    memory, _ = elf_core.read_map(stream_of(data), 100)
    for region in memory.regions:
        assert memory.offset_of(region.address, region.length + (1 << 64)) is None
        memory.address_of(region.offset)
    return memory


def fuzz_bignum(data: bytes) -> None:
    """Look for structures; what they point at lies inside the map."""
    memory = MemoryMap((Region(0x10000, 0, len(data)),))
    for span in bignum.find_bignums(limbs.words_of(data, 0), memory):
        assert 0 <= span.offset <= len(data) - 8 * span.limbs


def fuzz_limbs(data: bytes) -> None:
    """Every window of a run lies inside the words, and inside the run."""
    words = limbs.words_of(data, 0)
    low = words + np.uint64(1 << 47) < np.uint64(1 << 48)
    runs = limbs.runs_of(words, 4)
    for deep in (True, False):
        for start in limbs.windows_of(runs, 4, inside_long_runs=deep).tolist():
            assert not low[start : start + 4].any()


def fuzz_anchors(data: bytes) -> None:
    """Parse every place as every kind of announced number."""
    anchors = Anchors(NumberPool(100))

    def give(block: Block) -> None:
        for rule in ("ssh_rsa", "integer_129", "integer_257", "point_p256", "point_p521"):
            for start in range(len(data)):
                anchors.match(rule, start, block, Place(0, None))

    blocks = Blocks(give, 64)
    blocks.feed(data)
    blocks.close()


TARGETS: dict[str, Callable[[bytes], object]] = {
    **{a.name: lambda data, a=a: fuzz_archive(a, data) for a in ARCHIVES},
    "elf core": fuzz_elf_core,
    "bignum": fuzz_bignum,
    "limbs": fuzz_limbs,
    "anchors": fuzz_anchors,
}


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("long" * 40)
        entry.size = 700
        archive.addfile(entry, io.BytesIO(b"x" * 700))
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"text" * 100)
        archive.writestr("b", b"")
    return out.getvalue()


def _core() -> bytes:
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 6, 176, 0x1000, 0, 64, 64, 0)
    return header + load * 2 + bytes(64)


SEEDS = {
    "gzip": gzip.compress(b"text" * 300),
    "bzip2": bz2.compress(b"text" * 300),
    "xz": lzma.compress(b"text" * 300),
    "zstd": zstandard.compress(b"text" * 300),
    "tar": _tar(),
    "zip": _zip(),
    "elf core": _core(),
    "bignum": struct.pack("<QiiiI", 0x10000, 4, 4, 0, 1) * 8,
    "limbs": bytes(range(1, 255)) * 20,
    "anchors": b"\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01\0\0\0\x11" + b"\x02\x81\x81\0\xff" * 30,
}


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_input_breaks_the_parser(name, data):
    """Random bytes and damaged valid bytes end in a result, never in an exception."""
    seed = SEEDS[name]
    flips = data.draw(st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255))))
    damaged = bytearray(seed)
    for place, value in flips:
        damaged[place] = value
    cut = data.draw(st.integers(0, len(seed)))
    extra = data.draw(st.binary(max_size=64))

    TARGETS[name](bytes(damaged[:cut]) + extra)
    TARGETS[name](bytes(damaged))


def test_every_target_has_a_seed():
    """A new container without a seed for its target is noticed."""
    assert SEEDS.keys() == TARGETS.keys()
