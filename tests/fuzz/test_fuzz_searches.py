"""No bytes break a search for symmetric keys, shielded keys or registered secrets.

Each target walks one search over one block twice, as a scan does, with and without a memory map.
"""

from __future__ import annotations

import random
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan.blocks import Block
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.registry import Registry
from lockgate.scan.search.aes import AesSearch
from lockgate.scan.search.aes_schedule import expand
from lockgate.scan.search.chacha import ChachaSearch
from lockgate.scan.search.numbers import NumberPool
from lockgate.scan.search.points import Points
from lockgate.scan.search.salted import SaltedSearch
from lockgate.scan.search.search import BlockView, Context, Search
from lockgate.scan.search.shielded import ShieldedSearch
from lockgate.scan.secrets import protected_secret
from lockgate.scan.walk import Place

BASE = 0x5555_0000_0000
_CHANCE = random.Random(4)
SECRET, KEY = _CHANCE.randbytes(32), _CHANCE.randbytes(32)
REGISTRY = Registry.of([protected_secret("test secret", SECRET, None)])
SEARCHES: tuple[type[Search], ...] = (AesSearch, ChachaSearch, ShieldedSearch, SaltedSearch)


def fuzz_search(make: type[Search], data: bytes, memory: MemoryMap | None) -> None:
    """Survey, prepare, fetch and conclude over one block."""
    context = Context(NumberPool(100), Points(), REGISTRY, Limits(shielded=64), deep=False)
    search = make(context)
    view = BlockView(Block(0, data, 0, len(data), ends_member=True), Place(0, None, memory), False)
    search.survey(view)
    search.prepare()
    search.fetch(view)
    for sighting in search.conclude(time.monotonic() + 60):
        seen = sighting.evidence
        assert 0 <= seen.offset < len(data)
        assert seen.length > 0


def seed() -> bytes:
    """A page of everything: a schedule, states of generators, a shielded key, a secret."""
    words = struct.pack("<60I", *expand(struct.unpack("<8I", KEY), 0))
    generator = struct.pack("<5QQI", *range(BASE, BASE + 40, 8), 32, 1) + KEY + bytes(20)
    shielded = struct.pack("<QQQQQ", BASE + 64, 64, BASE, 16384, 16401)
    chacha = b"expand 32-byte k" + KEY + bytes(16)
    text = SECRET.hex().encode() + b"\n" + SECRET
    return b"".join(
        part + bytes(-len(part) % 8) for part in (words, generator, shielded, chacha, text)
    )


SEED = seed()


@pytest.mark.parametrize("make", SEARCHES, ids=lambda s: s.__name__)
@pytest.mark.parametrize("mapped", [False, True])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_bytes_break_the_search(make, mapped, data):
    """Damaged, shifted, cut, repeated: it ends, and tells places inside the data."""
    damaged = bytearray(SEED)
    for place in data.draw(st.lists(st.integers(0, len(SEED) - 1), max_size=20)):
        damaged[place] = data.draw(st.integers(0, 255))
    content = data.draw(st.binary(max_size=20)) + bytes(damaged) * data.draw(st.integers(1, 40))
    content = content[: data.draw(st.integers(0, len(content)))]
    memory = MemoryMap((Region(BASE, 0, len(content)),)) if mapped else None
    fuzz_search(make, content, memory)


@pytest.mark.parametrize("make", SEARCHES, ids=lambda s: s.__name__)
def test_the_seed_is_worth_damaging(make):
    """Undamaged, it leads every search to a sighting, or to something to read again."""
    context = Context(NumberPool(100), Points(), REGISTRY, Limits(), deep=False)
    search = make(context)
    block = Block(0, SEED, 0, len(SEED), ends_member=True)
    search.survey(BlockView(block, Place(0, None, None), False))
    assert search.prepare() or list(search.conclude(time.monotonic() + 60))
