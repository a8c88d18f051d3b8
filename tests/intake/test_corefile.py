"""The front of a core, read from anybody's bytes."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from cores import CODE_AT, COUNTER, POINTER, core
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.intake.corefile import (
    MOST_FRONT_BYTES,
    NotACoreError,
    bytes_needed,
    read_front,
)


def front_of(whole: bytes) -> bytes:
    """As much as is asked for."""
    have = 0
    while (needed := bytes_needed(whole[:have])) > have:
        assert needed <= len(whole)
        have = needed
    return whole[:have]


def test_the_front_tells_size_signal_thread_and_registers() -> None:
    """All that a decision needs stands before the content."""
    whole = core(b"x" * 5000)
    front = read_front(front_of(whole))
    assert front.size == len(whole)
    assert (front.signal, front.thread) == (11, 42)
    assert (front.program_counter, front.stack_pointer) == (COUNTER, POINTER)
    assert front.code == ((CODE_AT, CODE_AT + 0x1000),)
    assert front.mappings[0].path == b"/bin/service"
    assert front.program_headers == CODE_AT + 64


def test_no_content_is_read_for_it() -> None:
    """The front ends where the notes end."""
    assert len(front_of(core(b"x" * 50_000))) < 2000


@pytest.mark.parametrize("start", [b"#!/bin/sh\n" * 10, b"\x7fELF" + bytes(100), bytes(64)])
def test_what_is_no_core_is_told_at_once(start: bytes) -> None:
    """A script, an ELF header of nothing, zeros."""
    with pytest.raises(NotACoreError):
        bytes_needed(start)


def test_a_front_without_bound_is_no_core() -> None:
    """Notes that claim gigabytes are not waited for."""
    whole = bytearray(core())
    struct.pack_into("<Q", whole, 64 + 32, MOST_FRONT_BYTES)
    with pytest.raises(NotACoreError):
        bytes_needed(bytes(whole))


def test_more_segments_than_the_header_can_count() -> None:
    """PN_XNUM: the notes' own place tells how long the table is."""
    whole = bytearray(core())
    struct.pack_into("<H", whole, 56, 0xFFFF)
    assert read_front(front_of(bytes(whole))).signal == 11


@given(st.binary(max_size=400), st.integers(0, 700))
def test_damaged_bytes_never_raise_anything_else(noise: bytes, place: int) -> None:
    """A hostile front gives facts or is no core."""
    whole = bytearray(core())
    whole[place : place + len(noise)] = noise
    with suppress(NotACoreError):
        bytes_needed(bytes(whole))
        read_front(bytes(whole))


@given(st.integers(0, 1200))
def test_a_cut_front_never_raises_anything_else(length: int) -> None:
    """Whatever has come so far can be asked about."""
    with suppress(NotACoreError):
        assert bytes_needed(core()[:length]) > 0
        read_front(core()[:length])
