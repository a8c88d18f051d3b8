"""Runs every fuzz target briefly, from random bytes and from damaged valid input."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

_SPEC = importlib.util.spec_from_file_location("targets", Path(__file__).with_name("targets.py"))
assert _SPEC is not None and _SPEC.loader is not None
targets = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(targets)


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


@pytest.mark.parametrize("name", sorted(targets.TARGETS))
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

    targets.TARGETS[name](bytes(damaged[:cut]) + extra)
    targets.TARGETS[name](bytes(damaged))


def test_every_target_has_a_seed():
    """A new container without a seed for its target is noticed."""
    assert SEEDS.keys() == targets.TARGETS.keys()
