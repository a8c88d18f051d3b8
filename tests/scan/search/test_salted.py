"""Registered symmetric secrets are found as bytes and as text; the registry gives none away."""

from __future__ import annotations

import base64
import dataclasses
import os
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.formats.scanner import standard_scanner
from lockgate.scan import native
from lockgate.scan.limits import Limits
from lockgate.scan.registry import Registry
from lockgate.scan.report import FindingClass, GapReason, Outcome, Proof
from lockgate.scan.salt import Salt
from lockgate.scan.search.aes_schedule import expand
from lockgate.scan.search.anchored import Tags, member_runs
from lockgate.scan.search.salted import _MEMBERS
from lockgate.scan.secrets import (
    Encoding,
    SecretError,
    decode,
    fingerprint,
    is_strong,
    protected_secret,
    tag_of,
)

SALT = Salt(b"test salt, which protects nothing" * 2)


def scanner_for(*secrets: bytes, limits: Limits | None = None):
    """A scanner whose registry holds these secrets."""
    keys = [protected_secret(f"s{i}", secret, None) for i, secret in enumerate(secrets)]
    return standard_scanner(Registry.of(keys), limits=limits)


FORMS = {
    "raw": (lambda s: s, ""),
    "hex": (lambda s: s.hex().encode(), "-hex"),
    "HEX": (lambda s: s.hex().upper().encode(), "-hex"),
    "amid-hex": (lambda s: b"0" + s.hex().encode(), "-hex"),
    "base64": (base64.b64encode, "-base64"),
    "base64url": (lambda s: base64.urlsafe_b64encode(s).rstrip(b"="), "-base64"),
    "behind-one": (lambda s: base64.b64encode(b"x" + s), "-base64"),
    "behind-two": (lambda s: base64.b64encode(b"xy" + s + b"z"), "-base64"),
    "behind-letters": (lambda s: b"abc" + base64.b64encode(s), "-base64"),
}


@pytest.mark.parametrize("size", [16, 32, 257])
@pytest.mark.parametrize("form", FORMS)
def test_secret_is_found_in_every_form_at_every_alignment(form, size, scan):
    """Named, of class protected, with the place and length of what stands for it."""
    write, suffix = FORMS[form]
    secret = os.urandom(size)
    text = write(secret)
    content = b"".join(bytes(1000 + shift) + text for shift in range(8)) + bytes(9)
    (finding,) = scan(content, scanner_for(os.urandom(32), secret)).findings

    assert finding.class_ is FindingClass.PROTECTED
    assert (finding.protected_name, finding.fingerprint) == ("s1", fingerprint(secret))
    assert Proof.SALTED_FINGERPRINT in finding.proof
    assert {p.format for p in finding.occurrences} == {f"registered-secret{suffix}"}
    assert len(finding.occurrences) == 8
    for place in finding.occurrences:
        told = content[place.offset : place.offset + place.length]
        assert told.strip(b"\0") in text


@pytest.mark.parametrize("shift", [-40, -32, -31, -8, -1, 0, 1])
def test_secret_at_a_border_of_blocks_is_found_once(shift, scan):
    """Wherever blocks of a mebibyte meet, raw and as text."""
    secret = os.urandom(32)
    for text in (secret, b" " + secret.hex().encode() + b" "):
        content = bytearray(3 << 20)
        for at in ((1 << 20) + shift, (2 << 20) + shift):
            content[at : at + len(text)] = text
        (finding,) = scan(bytes(content), scanner_for(secret)).findings
        assert len(finding.occurrences) == 2


def test_a_thousand_secrets_are_found_and_nothing_else(scan):
    """Each once, by its own name, in random bytes full of false anchors."""
    secrets = [os.urandom(random.choice((16, 24, 32))) for _ in range(1000)]
    content = b"".join(os.urandom(1500) + secret for secret in secrets)
    report = scan(content, scanner_for(*secrets))
    assert {f.protected_name for f in report.findings} == {f"s{i}" for i in range(1000)}
    assert report.gaps == ()


def test_secret_that_differs_in_its_last_byte_is_another(scan):
    """The anchor is no proof."""
    secret = os.urandom(32)
    other = secret[:-1] + bytes([secret[-1] ^ 1])
    report = scan(bytes(100) + other + other.hex().encode(), scanner_for(secret))
    assert (report.outcome, report.findings) == (Outcome.CLEAN, ())


def test_key_of_a_schedule_is_known_by_its_fingerprint(scan):
    """A registered AES key is protected also where only its schedule is left."""
    key = os.urandom(32)
    words = expand(struct.unpack("<8I", key), 0)
    stored = struct.pack("<52I", *words[8:])
    (finding,) = scan(bytes(100) + stored + bytes(100), scanner_for(key)).findings
    assert finding.class_ is FindingClass.PROTECTED
    assert Proof.AES_SCHEDULE in finding.proof


def test_more_anchors_than_the_limit_are_a_gap(scan):
    """A flood of false anchors before the secret ends incomplete, not clean."""
    secret = os.urandom(32)
    content = (secret[:8] + bytes(24)) * 50 + secret
    report = scan(content, scanner_for(secret, limits=Limits(secret_windows=20)))
    assert GapReason.BUDGET in {gap.reason for gap in report.gaps}
    assert report.outcome is Outcome.INCOMPLETE


def test_weak_secret_has_no_anchor_and_needs_the_salt():
    """What could be guessed is known by a keyed fingerprint only."""
    for weak in (b"correct horse battery staple", os.urandom(15), bytes(32), b"\1\2" * 16):
        assert not is_strong(weak)
        with pytest.raises(SecretError) as refusal:
            protected_secret("weak", weak, None)
        assert weak.hex() not in str(refusal.value)
        entry = protected_secret("weak", weak, SALT)
        assert entry.anchor is None
        assert entry.fingerprint == SALT.fingerprint(weak)
        assert entry.fingerprint.startswith("hmac-sha256:")


@given(secret=st.binary(min_size=16, max_size=64).filter(is_strong), tail=st.binary(max_size=40))
def test_anchor_depends_on_the_first_eight_bytes_only(secret, tail):
    """What the registry tells beside the fingerprint: 24 bits of eight bytes, and the length."""
    entry = protected_secret("s", secret, None)
    assert entry.anchor is not None
    assert entry.anchor.tag == tag_of(secret[:8] + tail)
    assert 0 <= entry.anchor.tag < 1 << 24
    values = [v for k, v in dataclasses.asdict(entry).items() if k != "anchor"]
    assert secret not in [v for v in values if isinstance(v, bytes)]
    assert secret.hex() not in repr(entry)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"00ff" * 8 + b"\n", Encoding.HEX),
        (base64.b64encode(b"\0\xff" * 8) + b"\n", Encoding.BASE64),
        (base64.urlsafe_b64encode(b"\0\xff" * 8).rstrip(b"="), Encoding.BASE64),
    ],
)
def test_encoded_secrets_are_decoded(content, encoding):
    """Hex and both alphabets of base64, with or without padding and a line break."""
    assert decode(content, encoding) == b"\0\xff" * 8


def test_what_is_not_so_encoded_is_refused():
    """The refusal quotes nothing."""
    for encoding in (Encoding.HEX, Encoding.BASE64):
        with pytest.raises(SecretError, match=f"^not {encoding}$"):
            decode(b"no ! such * encoding", encoding)


def test_line_break_ends_text_but_not_random_bytes():
    """An editor adds one; a random secret may end in one."""
    assert decode(b"password\r\n", Encoding.RAW) == b"password"
    noise = os.urandom(31) + b"\n"
    assert decode(noise, Encoding.RAW) == noise


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1 << 32), first=st.integers(0, 40), size=st.integers(0, 3000))
def test_c_and_numpy_find_equal_positions(seed, first, size):
    """Of anchors in bytes of which many match, and of runs of text, at the edges of the buffer."""
    chance = random.Random(seed)
    pieces = [chance.randbytes(8) for _ in range(20)]
    data = b"".join(chance.choice((*pieces, b"x", b"ABCDEFGHIJKLMNOPQ")) for _ in range(size // 8))
    tags = Tags.of(tag_of(piece) for piece in pieces[:10])
    assert native.is_loaded()

    def both() -> tuple[list[int], list[tuple[int, int]]]:
        runs = member_runs(data, first, len(data), _MEMBERS, 22)
        return list(tags.positions(data, first, len(data))), list(runs)

    in_c = both()
    with native.off():
        assert both() == in_c
