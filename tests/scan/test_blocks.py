"""Blocks: every byte once, margins around it, zeros passed over."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan.blocks import BLOCK_BYTES, Block, Blocks

MARGIN = 64


def cut(pieces: list[bytes], margin: int = MARGIN) -> list[Block]:
    """All blocks of a member that arrives in ``pieces``."""
    given_blocks: list[Block] = []
    blocks = Blocks(given_blocks.append, margin)
    for piece in pieces:
        blocks.feed(piece)
    blocks.close()
    return given_blocks


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, BLOCK_BYTES * 5 // 2), max_size=4))
def test_own_parts_cover_each_byte_once_and_margins_surround_them(sizes):
    """Own parts join without overlap; margins hold the bytes that stand there."""
    whole = b"".join(bytes([i % 251 + 1]) * size for i, size in enumerate(sizes))
    pieces, at = [], 0
    for size in sizes:
        pieces.append(whole[at : at + size])
        at += size

    position = 0
    for block in cut(pieces):
        assert block.offset + block.start == position
        position = block.offset + block.stop
        assert block.offset % 8 == 0
        assert block.data == whole[block.offset : block.offset + len(block.data)]
        assert block.start >= min(MARGIN, position - block.stop + block.start)
        assert block.ends_member or len(block.data) - block.stop >= MARGIN
    assert position == len(whole)


def test_empty_member_has_no_block():
    """Nothing is given for a member without bytes."""
    assert cut([]) == []


def test_spans_leave_wide_zeros_out():
    """Zeros of many pages are passed over, narrow ones are not."""
    wide = b"a" + bytes(200_000) + b"b"
    narrow = b"a" + bytes(20_000) + b"b"

    (block,) = cut([wide])
    spans = list(block.spans())
    assert len(spans) == 2
    assert sum(stop - start for start, stop in spans) < 20_000

    (block,) = cut([narrow])
    assert list(block.spans()) == [(0, len(narrow))]


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.integers(0, 399_999), max_size=6))
def test_spans_hold_every_byte_that_is_not_zero(places):
    """No byte other than zero lies outside all spans."""
    content = bytearray(400_000)
    for place in places:
        content[place] = 1
    (block,) = cut([bytes(content)])

    spans = list(block.spans())

    assert all(any(a <= place < b for a, b in spans) for place in places)
    assert bool(spans) == bool(places)


def test_blocks_of_zeros_alone_are_not_given():
    """A long hole costs no search anything, and what stands behind it keeps its place."""
    blocks = cut([b"a", bytes(8 * BLOCK_BYTES), b"b"])

    assert len(blocks) < 6
    assert blocks[0].data[:1] == b"a"
    assert blocks[-1].data[-1:] == b"b"
    assert blocks[-1].offset + len(blocks[-1].data) == 8 * BLOCK_BYTES + 2
