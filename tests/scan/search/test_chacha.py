"""ChaCha20 states are session keys; GnuTLS's generator is known by its structure."""

from __future__ import annotations

import hashlib
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.report import FindingClass, Outcome, Proof
from lockgate.scan.search.chacha import judge

CONSTANTS = b"expand 32-byte k"
NOW = 1_795_261_146


def state(key: bytes, counter: int = 7, nonce: bytes = b"noncenonce12") -> bytes:
    """RFC 8439, section 2.3."""
    return CONSTANTS + key + struct.pack("<I", counter) + nonce


def generator(key: bytes) -> bytes:
    """``struct prng_ctx_st`` of GnuTLS 3.7."""
    nonce = struct.pack("<IQ", 0, NOW)
    return state(key, 2, nonce) + struct.pack("<QI4xQ", 96, 0, NOW)


def test_state_is_a_session_key_with_its_place(scan):
    """The fingerprint is that of the key."""
    key = os.urandom(32)
    (finding,) = scan(bytes(512) + state(key) + bytes(100)).findings
    assert (finding.algorithm, finding.bits) == ("ChaCha20", 256)
    assert finding.class_ is FindingClass.SESSION
    assert finding.proof == (Proof.SECRET_IN_STRUCTURE,)
    assert finding.fingerprint == f"sha256:{hashlib.sha256(key).hexdigest()}"
    assert [(p.offset, p.length) for p in finding.occurrences] == [(512, 64)]


def test_generator_of_gnutls_is_told_by_its_time(scan):
    """The nonce is the time of the last reseeding, which stands beside the state."""
    (finding,) = scan(bytes(512) + generator(os.urandom(32)) + bytes(100)).findings
    assert finding.class_ is FindingClass.RNG
    assert finding.proof == (Proof.GENERATOR_STATE,)


def test_another_time_beside_a_state_makes_no_generator(scan):
    """Less than the structure proves nothing."""
    content = generator(os.urandom(32))
    (finding,) = scan(content[:-8] + struct.pack("<Q", NOW + 1)).findings
    assert finding.class_ is FindingClass.SESSION


@pytest.mark.parametrize(
    "content",
    [
        CONSTANTS + bytes(100),
        CONSTANTS + b"\0ChaCha20 for x86/64, CRYPTOGAMS by the author of it" + bytes(50),
        state(b"k" * 32),
        state(hashlib.sha256(b"").digest(), 0x01000302),
        CONSTANTS + hashlib.sha256(b"").digest(),
    ],
    ids=["zeros", "banner", "one-byte", "large-counter", "cut"],
)
def test_constants_of_a_library_are_no_state(content, scan):
    """Every cipher library holds them, and tables behind them."""
    assert scan(bytes(64) + content).outcome is Outcome.CLEAN
    assert scan(bytes(64) + content).findings == ()


def test_key_of_the_standard_is_a_test_key(scan):
    """RFC 8439's examples take the key 00 01 02 ..., which libraries hold for their self-tests."""
    (finding,) = scan(bytes(64) + state(bytes(range(32)))).findings
    assert finding.class_ is FindingClass.TEST


@given(data=st.binary(max_size=120))
def test_judge_takes_any_bytes(data):
    """No bytes behind the constants make it fail."""
    judge(CONSTANTS + data, 0)
