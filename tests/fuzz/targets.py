"""One fuzz target for every parser of hostile bytes: ``fuzz_<parser>(data)`` must not raise.

Any engine that feeds bytes can drive them; ``test_targets.py`` does so briefly.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from lockgate.scan.blocks import Blocks
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
    try:
        for item in archive.members(stream_of(data)):
            if isinstance(item, Member):
                for chunk in item.chunks:
                    given += len(chunk)
                    if given > MOST_BYTES:
                        return given
    except Broken as broken:
        assert broken.detail
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

    def give(block) -> None:
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
