"""AES keys are found by their schedules, in every order in which programs keep them."""

from __future__ import annotations

import hashlib
import os
import random
import struct
from itertools import product

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.formats.scanner import standard_scanner
from lockgate.scan import native
from lockgate.scan.limits import Limits
from lockgate.scan.report import FindingClass, FindingKind, GapReason, Outcome, Proof
from lockgate.scan.search import aes_filter
from lockgate.scan.search.aes_schedule import LAYOUTS, Layout, expand, prove

ALL_LAYOUTS = [layout for same in LAYOUTS.values() for layout in same]
PLAIN = Layout(8, is_reversed=False, is_swapped=False, is_mixed=False)


def fingerprint(key: bytes) -> str:
    """The fingerprint that a report gives a symmetric key."""
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def schedule(key: bytes, layout: Layout) -> bytes:
    """The key schedule as a library with this layout keeps it."""
    words = expand(struct.unpack(f"<{layout.nk}I", key), 0)
    content = bytearray(16 * (layout.rounds + 1))
    for turn in range(layout.rounds + 1):
        at = 4 * layout.position(4 * turn)
        content[at : at + 16] = layout.round_key(words, turn)
    return bytes(content)


def found(data: bytes, phases=range(4)) -> set[tuple[bytes, int, int]]:
    """Key, start and length of every schedule in some bytes."""
    seen = set()
    for phase in phases:
        for candidate in aes_filter.candidates(data, 0, len(data), phase):
            proven = prove(data, candidate.start, candidate.layout, candidate.first)
            if proven is not None:
                seen.add((proven.key, proven.start, proven.length))
    return seen


def flipped(data: bytes, bits: list[int]) -> bytes:
    """The bytes with some bits turned over."""
    number = int.from_bytes(data, "little")
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(len(data), "little")


@pytest.mark.parametrize(
    ("key", "last"),
    [
        ("2b7e151628aed2a6abf7158809cf4f3c", "d014f9a8c9ee2589e13f0cc8b6630ca6"),
        ("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "e98ba06f448c773c8ecc720401002202"),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "fe4890d1e6188d0b046df344706c631e",
        ),
    ],
)
def test_expansion_is_that_of_the_standard(key, last):
    """The last round keys of FIPS 197, appendix A, from the key and back from amid."""
    raw = bytes.fromhex(key)
    words = expand(struct.unpack(f"<{len(raw) // 4}I", raw), 0)
    assert struct.pack("<4I", *words[-4:]).hex() == last
    assert expand(words[20 : 20 + len(raw) // 4], 20) == words


@pytest.mark.parametrize("layout", ALL_LAYOUTS, ids=str)
def test_every_layout_is_found_at_every_alignment(layout):
    """Three key sizes, both byte orders, both directions, with and without InvMixColumns."""
    for shift in range(8):
        key = os.urandom(4 * layout.nk)
        stored = schedule(key, layout)
        data = os.urandom(64 + shift) + stored + os.urandom(50)
        assert found(data) == {(key, 64 + shift, len(stored))}


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(ALL_LAYOUTS),
    key=st.binary(min_size=32, max_size=32),
    bits=st.lists(st.integers(0, 8 * 176 - 1), max_size=6, unique=True),
)
def test_a_few_flipped_bits_hide_no_schedule(layout, key, bits):
    """The key that comes out is the one that went in, whatever six bits decayed."""
    stored = flipped(schedule(key[: 4 * layout.nk], layout), bits)
    data = bytes(64) + stored + bytes(64)
    keys = {seen for seen, _, _ in found(data, [0])}
    assert keys <= {key[: 4 * layout.nk]}
    if len(bits) <= 2:
        assert keys


@pytest.mark.parametrize("layout", ALL_LAYOUTS, ids=str)
def test_schedule_that_lost_a_round_at_either_end_is_found(layout):
    """A freed block loses its first bytes to the allocator; its key is still there."""
    key = os.urandom(4 * layout.nk)
    stored = schedule(key, layout)
    ends = (bytes(16) + stored[16:], stored[:-16] + bytes(16), stored[16:], stored[:-16])
    for damaged in ends:
        data = os.urandom(64) + damaged + os.urandom(64)
        assert {seen for seen, _, _ in found(data, [0])} == {key}


def test_no_schedule_in_random_bytes_zeros_or_patterns():
    """What satisfies the linear relations by being plain is no schedule."""
    pattern = bytes(range(256)) * 64
    for data in (os.urandom(1 << 20), bytes(1 << 16), b"\xff" * 4096, pattern, b"ab" * 4096):
        assert found(data) == set()


def linear_words(nk: int, count: int) -> bytes:
    """Words that satisfy the linear relation everywhere, and the substituted word nowhere."""
    words = list(struct.unpack(f"<{nk}I", os.urandom(4 * nk)))
    while len(words) < count:
        words.append(words[-1] ^ words[-nk])
    return struct.pack(f"<{count}I", *words)


@pytest.mark.parametrize("nk", [4, 6, 8])
def test_decoys_that_pass_the_linear_filter_are_no_schedule(nk, scan):
    """A million words, all of which pass the first filter, in seconds and without a finding."""
    report = scan(linear_words(nk, 1 << 18))
    assert (report.outcome, report.findings) == (Outcome.CLEAN, ())


@settings(max_examples=60, deadline=None)
@given(data=st.data(), phase=st.integers(0, 3))
def test_c_and_numpy_give_equal_pairs(data, phase):
    """On words of few values, of which many pass, and at the edges of the buffer."""
    count = data.draw(st.integers(30, 600))
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    words = bytes(chance.choice((0, 0, 1, 1, 255)) for _ in range(4 * count + 3))
    assert native.is_loaded()
    in_c = aes_filter._pairs(words, phase, len(words))
    with native.off():
        in_numpy = aes_filter._pairs(words, phase, len(words))
    assert all(np.array_equal(a, b) for a, b in zip(in_c, in_numpy, strict=True))


def test_c_and_numpy_give_equal_pairs_over_many_chunks():
    """Chunks of numpy and blocks of C meet without a gap or a double."""
    words = linear_words(4, 200_000)
    in_c = aes_filter._pairs(words, 0, len(words))
    with native.off():
        in_numpy = aes_filter._pairs(words, 0, len(words))
    assert sum(map(len, in_c)) > 50_000
    assert all(np.array_equal(a, b) for a, b in zip(in_c, in_numpy, strict=True))


def test_finding_is_a_session_key_with_all_its_schedules(scan):
    """One finding for one key, of the class that does not block, with its proof."""
    key = os.urandom(32)
    both = schedule(key, PLAIN), schedule(key, LAYOUTS[8, True][1])
    report = scan(bytes(4096) + both[0] + bytes(160) + both[1] + bytes(8192))

    (finding,) = report.findings
    assert (finding.kind, finding.class_) == (FindingKind.SYMMETRIC_KEY, FindingClass.SESSION)
    assert (finding.algorithm, finding.bits) == ("AES", 256)
    assert finding.fingerprint == fingerprint(key)
    assert finding.proof == (Proof.AES_SCHEDULE,)
    assert [(p.format, p.offset, p.length) for p in finding.occurrences] == [
        ("aes-schedule", 4096, 240),
        ("aes-decrypt-schedule", 4496, 240),
    ]
    assert report.outcome is Outcome.CLEAN


@pytest.mark.parametrize("shift", [-176, -100, -4, 0, 4])
def test_schedule_across_a_border_of_blocks_is_found_once(scan, shift):
    """Wherever blocks of a mebibyte meet."""
    key = os.urandom(16)
    stored = schedule(key, LAYOUTS[4, False][0])
    data = bytearray(3 << 20)
    for at in ((1 << 20) + shift, (2 << 20) + shift):
        data[at : at + len(stored)] = stored
    (finding,) = scan(bytes(data)).findings
    assert [p.offset - shift for p in finding.occurrences] == [1 << 20, 2 << 20]


@pytest.mark.parametrize("size", [16, 24, 32])
def test_key_of_the_standards_is_a_test_key(scan, size):
    """The key 00 01 02 ... which libraries hold for their self-tests."""
    stored = schedule(bytes(range(size)), LAYOUTS[size // 4, False][0])
    (finding,) = scan(stored + bytes(100)).findings
    assert finding.class_ is FindingClass.TEST


def test_more_schedules_than_the_limit_are_a_gap(scan):
    """The key behind the limit is not lost in silence."""
    data = b"".join(schedule(os.urandom(32), PLAIN) + bytes(16) for _ in range(40))
    report = scan(data, standard_scanner(limits=Limits(schedules=20)))
    assert GapReason.BUDGET in {gap.reason for gap in report.gaps}
    assert report.outcome is Outcome.INCOMPLETE


def drbg(key: bytes, use_df: int | None, pointers: int = 5) -> bytes:
    """OpenSSL's PROV_DRBG_CTR (3.x), or RAND_DRBG_CTR (1.1.1) when ``use_df`` is None."""
    head = struct.pack(
        "<5Q", *(0x55550000_1000 + 256 * i for i in range(pointers)), *[0] * (5 - pointers)
    )
    flag = b"" if use_df is None else struct.pack("<I", use_df)
    return head + struct.pack("<Q", len(key)) + flag + key.ljust(32, b"\0") + os.urandom(16)


@pytest.mark.parametrize(("use_df", "size"), list(product((None, 0, 1), (16, 24, 32))))
def test_key_in_a_generators_structure_is_the_generators(scan, use_df, size):
    """The class rng needs the schedule and the structure with the same key."""
    key = os.urandom(size)
    stored = schedule(key, LAYOUTS[size // 4, False][0])
    data = stored + bytes(160) + drbg(key, use_df) + bytes(400)
    (finding,) = scan(data + bytes(-len(data) % 8)).findings
    assert finding.class_ is FindingClass.RNG
    assert finding.proof == (Proof.AES_SCHEDULE, Proof.GENERATOR_STATE)
    assert {p.format for p in finding.occurrences} == {"aes-schedule", "openssl-ctr-drbg"}


@pytest.mark.parametrize(
    "beside",
    [
        lambda key: drbg(os.urandom(32), 1),
        lambda key: drbg(key, 1, pointers=4),
        lambda key: drbg(key, 7),
        lambda key: key,
        lambda key: b"RAND_DRBG ctr_drbg random generator " + key,
    ],
    ids=["other-key", "no-pointer", "no-flag", "bare", "words"],
)
def test_less_than_the_structure_makes_no_generator(scan, beside):
    """A session key stays a session key."""
    key = os.urandom(32)
    data = schedule(key, PLAIN) + bytes(160) + beside(key) + bytes(400)
    classes = {f.class_ for f in scan(data + bytes(-len(data) % 8)).findings}
    assert classes == {FindingClass.SESSION}


def test_more_structures_than_the_limit_are_a_gap_beside_a_key(scan):
    """What is left of structures may change a key's class only, and so matters beside keys."""
    key = os.urandom(32)
    states = b"".join(drbg(os.urandom(32), 1) + bytes(12) for _ in range(30))
    few = standard_scanner(limits=Limits(generators=10))
    assert scan(states + bytes(400), few).outcome is Outcome.CLEAN
    report = scan(schedule(key, PLAIN) + bytes(160) + states + bytes(400), few)
    assert GapReason.BUDGET in {gap.reason for gap in report.gaps}


def boringssl(
    rounds: int = 13,
    functions: tuple[int, int] = (0x7F42_4055_A000, 0x7F42_4055_AC80),
    counter: bytes = bytes.fromhex("24d2eba0f946 1e0b11c5dddf3bbb685c"),
    requests: int = 5,
) -> bytes:
    """What stands behind the round keys in BoringSSL's CTR_DRBG_STATE."""
    return struct.pack("<QQQ16sQ", rounds, *functions, counter, requests)


def test_boringssls_generator_begins_with_its_schedule(scan):
    """The whole state is the place of the key."""
    key = os.urandom(32)
    (finding,) = scan(bytes(64) + schedule(key, PLAIN) + boringssl() + bytes(64)).findings
    assert finding.class_ is FindingClass.RNG
    assert finding.proof == (Proof.AES_SCHEDULE, Proof.GENERATOR_STATE)
    (place,) = finding.occurrences
    assert (place.format, place.offset, place.length) == ("boringssl-ctr-drbg", 64, 288)


@pytest.mark.parametrize(
    "tail",
    [
        boringssl(rounds=9),
        boringssl(functions=(0, 0x7F42_4055_AC80)),
        boringssl(functions=(0x5555_5555_0000, 0x7F42_4055_AC80)),
        boringssl(counter=bytes(16)),
        boringssl(requests=4097),
        boringssl()[:47],
    ],
    ids=["rounds", "null", "far-apart", "counter", "requests", "cut"],
)
def test_less_than_boringssls_state_makes_no_generator(tail, scan):
    """What a cipher's context may hold behind a schedule."""
    (finding,) = scan(bytes(64) + schedule(os.urandom(32), PLAIN) + tail).findings
    assert finding.class_ is FindingClass.SESSION


def test_schedule_of_a_real_library_agrees_with_ours():
    """The key expanded here encrypts as the library's does, in its first round's terms."""
    key, block = os.urandom(16), os.urandom(16)
    library = Cipher(AES(key), ECB()).encryptor().update(block)
    assert encrypt(key, block) == library


def encrypt(key: bytes, block: bytes) -> bytes:
    """AES by our own tables, as FIPS 197 writes it."""
    from lockgate.scan.search.aes_schedule import SBOX, mixed_byte

    stored = schedule(key, LAYOUTS[4, False][0])
    state = bytes(a ^ b for a, b in zip(block, stored, strict=False))
    for turn in range(1, 11):
        state = state.translate(SBOX)
        state = bytes(state[(i + 4 * (i % 4)) % 16] for i in range(16))
        if turn < 10:
            columns = b""
            for at in range(0, 16, 4):
                total = 0
                for place, byte in enumerate(state[at : at + 4]):
                    column = mixed_byte(byte)
                    total ^= (column << 8 * place | column >> 32 - 8 * place) & 0xFFFFFFFF
                columns += total.to_bytes(4, "little")
            state = columns
        state = bytes(a ^ b for a, b in zip(state, stored[16 * turn :], strict=False))
    return state
