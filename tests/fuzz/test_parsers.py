"""One fuzz target for every parser of hostile bytes: ``fuzz_<parser>(data)`` must not raise.

Any engine that feeds bytes can drive the targets; here hypothesis does so briefly, from random
bytes and from damaged valid input.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan.blocks import Block, Blocks
from lockgate.scan.containers.elf_core import ElfCore
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.prove import edwards
from lockgate.scan.registry import Registry
from lockgate.scan.search import bignum, limbs, windows
from lockgate.scan.search.anchors import Anchors
from lockgate.scan.search.numbers import NumberPool
from lockgate.scan.search.points import Points
from lockgate.scan.search.scalar_search import ScalarSearch
from lockgate.scan.search.search import BlockView, Context
from lockgate.scan.source import Stream
from lockgate.scan.walk import Place


def stream_of(data: bytes) -> Stream:
    """The bytes as a stream of small pieces."""
    file = io.BytesIO(data)
    return Stream(iter(lambda: file.read(777), b""))


def fuzz_elf_core(data: bytes) -> MemoryMap:
    """Read the map of a core; every answer of the map lies inside its regions."""
    memory, _ = ElfCore().read_map(stream_of(data), Limits(regions=100))
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
    """Every run lies inside the words, and holds no low one."""
    words = limbs.words_of(data, 0)
    low = words + np.uint64(1 << 47) < np.uint64(1 << 48)
    for start, length in zip(*windows.runs(words.view(np.uint8), 4), strict=True):
        assert 4 <= length <= len(words) - start
        assert not low[start : start + length].any()


def fuzz_anchors(data: bytes) -> None:
    """Parse every place as every kind of announced number."""
    anchors = Anchors(NumberPool(100), Points())

    def give(block: Block) -> None:
        for rule in ("ssh_rsa", "integer_129", "integer_257", "point_0", "point_9"):
            for start in range(len(data)):
                anchors.match(rule, start, block, Place(0, None))

    blocks = Blocks(give, 64)
    blocks.feed(data)
    blocks.close()


def fuzz_scalars(data: bytes) -> None:
    """Gather, derive and look up whatever the bytes hold."""
    limits = Limits(seeds=200, long_seeds=20, slow_seeds=5, suspects=20)
    context = Context(NumberPool(100), Points(), Registry.empty(), limits, deep=len(data) % 2 == 0)
    search = ScalarSearch(context)
    block = Block(0, data, 0, len(data), ends_member=True)
    view = BlockView(block, Place(0, None), deep=context.deep)
    search.survey(view)
    search.prepare()
    search.fetch(view)
    for sighting in search.conclude(math.inf):
        assert 0 <= sighting.evidence.offset < len(data)


TARGETS: dict[str, Callable[[bytes], object]] = {
    "elf core": fuzz_elf_core,
    "bignum": fuzz_bignum,
    "limbs": fuzz_limbs,
    "anchors": fuzz_anchors,
    "scalars": fuzz_scalars,
}


def _core() -> bytes:
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 6, 176, 0x1000, 0, 64, 64, 0)
    return header + load * 2 + bytes(64)


def _pair() -> bytes:
    """A test seed and its public key."""
    seed = hashlib.sha256(b"test key").digest()
    return seed + edwards.public_key("Ed25519", seed)


SEEDS = {
    "elf core": _core(),
    "bignum": struct.pack("<QiiiI", 0x10000, 4, 4, 0, 1) * 8,
    "limbs": bytes(range(1, 255)) * 20,
    "scalars": bytes(16) + _pair() + b"\0\0\0\x20" + bytes(range(7, 230, 3)) + bytes(40),
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
