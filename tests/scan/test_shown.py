"""What a container's own lane is shown: all but what its members show by themselves."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.report import Outcome
from lockgate.scan.shown import MARGIN_BYTES, Shown

SIZES = st.lists(st.integers(0, 3 * MARGIN_BYTES), max_size=6)


@given(before=SIZES, within=SIZES, after=SIZES)
def test_only_the_middle_of_a_member_is_blank(before, within, after):
    """Every byte keeps its place; what is blank lies a margin inside the stored member."""
    seen: list[bytes] = []
    shown = Shown(seen.append)

    for size in before:
        shown.take(b"b" * size)
    with shown.blanked():
        for size in within:
            shown.take(b"w" * size)
    for size in after:
        shown.take(b"a" * size)

    middle = sum(within)
    margin = min(middle, 2 * MARGIN_BYTES) // 2
    member = b"w" * middle
    if middle > 2 * MARGIN_BYTES:
        member = b"w" * margin + bytes(middle - 2 * margin) + b"w" * margin
    assert b"".join(seen) == b"b" * sum(before) + member + b"a" * sum(after)


@given(before=SIZES, within=SIZES)
def test_without_a_margin_all_of_a_member_is_blank(before, within):
    """Packed bytes stand for what the member shows."""
    seen: list[bytes] = []
    shown = Shown(seen.append)

    for size in before:
        shown.take(b"b" * size)
    with shown.blanked(0):
        for size in within:
            shown.take(b"w" * size)
    shown.take(b"a")

    assert b"".join(seen) == b"b" * sum(before) + bytes(sum(within)) + b"a"


def test_key_behind_the_packed_bytes_of_a_zip_member_is_found(scan):
    """A member may be longer than what unpacks; the rest is shown, or a gap."""
    key = ec.generate_private_key(ec.SECP256R1())
    hidden = key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = b"log " * 5000
    packed = deflate.compress(content) + deflate.flush()
    sizes = struct.pack("<III", zlib.crc32(content), len(packed) + len(hidden), len(content))
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", 1, 0)
    central = b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
    central += struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    data = local + b"a" + packed + hidden
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(data), 0)

    assert scan(data + central + end).outcome is not Outcome.CLEAN


def pack(form: str, content: bytes) -> bytes:
    """An archive that stores ``content`` between two other members."""
    out = io.BytesIO()
    members = {"before": b"log " * 9000, "core": content, "after": b"log " * 9000}
    if form == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name, inside in members.items():
                archive.writestr(name, inside)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, inside in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(inside)
            archive.addfile(entry, io.BytesIO(inside))
    return out.getvalue()


@pytest.mark.parametrize("form", ["tar", "zip"])
@pytest.mark.parametrize("place", [0, MARGIN_BYTES - 60, 1 << 20, -MARGIN_BYTES - 60, -138])
def test_stored_member_loses_no_key(form, place, scan):
    """A key at any place of a stored member is found once, as a place of that member."""
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(ser.Encoding.DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    content = bytearray(b"\x5a" * (3 << 20))
    start = place % len(content)
    content[start : start + len(secret)] = secret

    (finding,) = scan(pack(form, bytes(content[: 3 << 20]))).findings

    assert [(p.member, p.offset) for p in finding.occurrences] == [("core", start)]


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_key_between_members_is_found(form, scan):
    """Bytes that belong to no member are scanned as bytes of the container."""
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(ser.Encoding.DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())

    (finding,) = scan(pack(form, b"\x5a" * (1 << 20)) + secret).findings

    assert finding.occurrences[0].member is None
