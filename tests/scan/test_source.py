"""Streams and files: order, look ahead, holes, and files that shrink."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.source import Budget, FileAccess, Stream, data_extents, file_chunks


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


def test_file_is_read_at_any_offset_and_short_only_at_its_end(tmp_path):
    """Reading by descriptor stays inside the size that was given."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        access = FileAccess(file.fileno(), 8)

        assert access.read_at(2, 3) == b"234"
        assert access.read_at(6, 100) == b"67"
        assert access.read_at(8, 1) == access.read_at(-1, 1) == b""


def test_held_stream_is_read_at_any_offset_and_still_in_order():
    """Holding a stream consumes nothing of it."""
    stream = Stream(iter([b"abc", b"def"]), budget=Budget(6, 6))
    access = stream.random_access()

    assert access is not None
    assert (access.size, access.read_at(2, 3)) == (6, b"cde")
    assert stream.read(10) == b"abcdef"


def test_streams_share_the_bytes_they_may_hold():
    """What one stream holds is missing for the next until it is released."""
    budget = Budget(8, 8)
    first, second = (Stream(iter([b"abcde"]), budget=budget) for _ in range(2))

    assert first.random_access() is not None
    assert second.random_access() is None
    assert second.read(9) == b"abcde"
    first.release()
    assert budget.left < 8
    second.release()
    assert budget.left == 8


def test_part_of_a_stream_is_read_at_any_offset_only_with_a_descriptor():
    """A slice of a file needs no memory; a slice of a packed stream would."""
    assert Stream(iter([b"abc"]), budget=Budget(9, 9)).slice_access(1, 1) is None
    held = Stream(iter([b"abcdef"]), budget=Budget(9, 9))
    held.random_access()
    part = held.slice_access(2, 3)

    assert part is not None
    assert (part.read_at(0, 9), part.read_at(1, 1), part.read_at(3, 1)) == (b"cde", b"d", b"")


def test_what_stands_before_damage_is_seen():
    """A stream whose source fails gives all bytes before that, and then the failure, once."""

    def chunks():
        yield b"before"
        raise OSError("damaged")

    stream = Stream(chunks())

    assert stream.peek(100) == b"before"
    assert stream.read(100) == b"before"
    with pytest.raises(OSError, match="damaged"):
        stream.read_some()
    assert stream.read_some() == b""
