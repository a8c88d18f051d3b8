"""Streams and files: order, look ahead, holes, and files that shrink."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.source import Stream, data_extents, file_chunks


@given(
    pieces=st.lists(st.binary(max_size=20), max_size=10),
    reads=st.lists(st.tuples(st.sampled_from(["peek", "read", "skip"]), st.integers(0, 30))),
)
def test_stream_reads_like_a_file_and_shows_its_tap_everything(pieces, reads):
    """Whatever is peeked, read or skipped, order is kept and the tap sees each byte once."""
    whole = b"".join(pieces)
    stream = Stream(iter(pieces))
    seen: list[bytes] = []
    stream.peek(7)
    stream.set_tap(seen.append)

    at = 0
    for what, count in reads:
        expected = whole[at : at + count]
        if what == "peek":
            assert stream.peek(count) == expected
        elif what == "read":
            assert stream.read(count) == expected
            at += len(expected)
        else:
            assert stream.skip(count) == len(expected)
            at += len(expected)
        assert stream.position == at
    stream.drain()
    assert b"".join(seen) == whole


def test_holes_are_zeros_and_not_read(tmp_path, monkeypatch):
    """A sparse file reads as zeros where nothing was written, without a read there."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"a" * 4096)
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"b" * 4096)
    read = 0
    true_pread = os.pread

    def counting(fd: int, count: int, offset: int) -> bytes:
        nonlocal read
        piece = true_pread(fd, count, offset)
        read += len(piece)
        return piece

    monkeypatch.setattr(os, "pread", counting)
    with path.open("rb") as file:
        content = b"".join(file_chunks(file.fileno(), 64 << 20))
        extents = list(data_extents(file.fileno(), 64 << 20))

    assert content == path.read_bytes()
    assert len(extents) == 2
    assert read < 1 << 20


def test_file_that_shrinks_while_read_is_told(tmp_path):
    """Fewer bytes than promised are never taken for the end."""
    path = tmp_path / "short"
    path.write_bytes(b"x" * 100)
    with path.open("rb") as file, pytest.raises(EOFError):
        list(file_chunks(file.fileno(), 5000))
