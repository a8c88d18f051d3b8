"""Fuzz targets for containers: damaged ones never crash, stall, or give more than they may.

Every target takes bytes; hypothesis damages what the real packers make, briefly. The readers of
dumps have their targets in ``test_fuzz_dumps``.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scan.containers.packers import ARCHIVES as ROWS
from tests.scan.containers.packers import CLEAN, HEX, PACKED, pack

from lockgate.scan.containers import ARCHIVES
from lockgate.scan.containers.container import Archive, Broken, Member
from lockgate.scan.containers.lines import Lines
from lockgate.scan.containers.zip import ZipBehind
from lockgate.scan.source import HeldAccess, Stream

MOST_BYTES = 8 << 20
MOST_MEMBERS = 2000
#: Read inside other containers, or made by no packer here.
INSIDE_OTHERS = {"git object", "PDF"}
#: Archives that are dumps: ``test_fuzz_dumps`` has their seeds.
DUMPS = {
    "apport report", "AVML", "flattened kdump", "HPROF", "kdump", "libvirt save",
    "QEMU migration stream",
}  # fmt: skip
#: Where fields of all sizes stand: the front of a container, and all of it.
PLACES = st.one_of(st.integers(0, 600), st.integers(0, 1 << 22))
CHANGES = st.lists(
    st.tuples(
        PLACES,
        st.one_of(
            st.binary(min_size=1, max_size=4),
            st.sampled_from(
                [b"\xff" * 4, b"\xff" * 8, bytes(4), b"\x80\0\0\0", b"\x7f\xff\xff\xff"]
            ),
        ),
    ),
    max_size=8,
)


def fuzz_archive(archive: Archive, data: bytes) -> None:
    """List and read every member; only :class:`Broken` may end it, and soon."""
    given_bytes = members = 0
    pieces = iter([data[at : at + 7777] for at in range(0, len(data), 7777)])
    stream = Stream(pieces, HeldAccess(data))
    with suppress(Broken):
        for item in archive.members(stream):
            members += 1
            if members > MOST_MEMBERS:
                return
            if not isinstance(item, Member):
                continue
            with suppress(Broken):
                for chunk in item.chunks:
                    given_bytes += len(chunk)
                    if given_bytes > MOST_BYTES:
                        return
    assert stream.position <= len(data)


def fuzz_lines(data: bytes) -> None:
    """Lines join to what they were cut from, wherever pieces end."""
    stream = Stream(iter([data[at : at + 7] for at in range(0, len(data), 7)]))
    assert b"".join(Lines(stream)) == data


@cache
def seeds() -> dict[str, tuple[Archive, bytes]]:
    """One container for each row that some reader here recognises, with its reader."""
    made = {}
    for name, row in (PACKED | HEX | ROWS).items():
        data = pack(row, CLEAN)
        told = next((a for a in ARCHIVES if a.recognises(data[:0x8800])), ZipBehind())
        made[name] = told, data
    return made


@pytest.mark.parametrize("name", PACKED | HEX | ROWS)
@settings(max_examples=25, deadline=None)
@given(changes=CHANGES, cut=st.floats(0, 1))
def test_damaged_containers_break_nothing(name, changes, cut):
    """Changed fields and cut ends give members and gaps, never an exception."""
    archive, whole = seeds()[name]
    data = bytearray(whole)
    for place, change in changes:
        at = place % len(data)
        data[at : at + len(change)] = change[: len(data) - at]

    fuzz_archive(archive, bytes(data))
    fuzz_archive(archive, bytes(data[: int(cut * len(data))]))
    archive.recognises(bytes(data[:0x8800]))


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(ROWS)), data=st.binary(max_size=3000), at=st.integers(0, 700))
def test_noise_behind_a_true_front_breaks_no_reader(name, data, at):
    """Any bytes may stand behind a magic."""
    archive, whole = seeds()[name]

    fuzz_archive(archive, whole[:at] + data)


@settings(max_examples=100, deadline=None)
@given(st.text("ab\r\n\v\x1c\x85", max_size=200).map(lambda t: t.encode("latin-1")))
def test_lines_lose_nothing(data):
    """Whatever ends a line, every byte is given."""
    fuzz_lines(data)


def test_every_reader_has_a_seed():
    """A container without a row is noticed; ``test_fuzz_dumps`` has those of dumps."""
    told = {archive.name for archive, _ in seeds().values()}

    assert {a.name for a in ARCHIVES} - told == INSIDE_OTHERS | DUMPS
