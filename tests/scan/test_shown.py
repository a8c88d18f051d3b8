"""What a container's own lane is shown: everything but the middle of stored members."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

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
