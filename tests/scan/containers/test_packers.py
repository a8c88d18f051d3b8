"""Every container that a real packer makes: the key in it is found, and what cannot be is told."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.scan.report import GapReason, Outcome

from .packers import ARCHIVES, CLEAN, ENCRYPTED, HEX, PACKED, UNSUPPORTED, pack

READ = PACKED | HEX | ARCHIVES
#: Without their end these are bytes like any other.
TOLD_BY_THEIR_END = {"zip behind a script", "AppImage", "self-extractor"}


@pytest.fixture(scope="module")
def pem() -> bytes:
    """A fresh key as text, with text around it."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()
    return CLEAN[:3000] + key.private_bytes(*form) + CLEAN[:500]


def members_of(report) -> set[str | None]:
    """The members in which keys were found."""
    return {place.member for f in report.findings for place in f.occurrences}


@pytest.mark.parametrize("name", READ)
def test_key_in_a_real_container_is_found(name, pem, scan):
    """The key is found in the member that the container names."""
    row = READ[name]

    report = scan(pack(row, pem))

    assert report.outcome is Outcome.FOUND
    assert any(m is not None and m.endswith(f"{row.member}!gzip") for m in members_of(report))


@pytest.mark.parametrize("name", READ)
def test_real_container_without_a_key_is_clean(name, scan):
    """What a packer adds of its own is no gap."""
    report = scan(pack(READ[name], CLEAN))

    assert (report.gaps, report.outcome) == ((), Outcome.CLEAN)


@pytest.mark.parametrize("name", [n for n in READ if n not in TOLD_BY_THEIR_END])
def test_truncated_container_is_never_clean(name, scan):
    """A container of which a third is missing leaves a gap."""
    whole = pack(READ[name], CLEAN)
    stop = len(whole.rstrip(b"\0")) * 2 // 3

    assert scan(whole[:stop]).gaps


@pytest.mark.parametrize("name", ENCRYPTED)
def test_encrypted_container_is_a_gap(name, pem, scan):
    """What needs a password is said to be encrypted."""
    report = scan(pack(ENCRYPTED[name], pem))

    assert GapReason.ENCRYPTED in {gap.reason for gap in report.gaps}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_container_without_a_reader_is_a_gap(name, pem, scan):
    """A method or a kind that cannot be read is never clean."""
    reasons = {gap.reason for gap in scan(pack(UNSUPPORTED[name], pem)).gaps}

    assert reasons & {GapReason.UNSUPPORTED, GapReason.UNREADABLE}
