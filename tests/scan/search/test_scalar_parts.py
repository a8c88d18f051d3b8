"""The parts of the search for scalars: C and numpy agree, budgets hold, nothing is dropped."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scan.search.planted import digits

from lockgate.scan import native
from lockgate.scan.blocks import Block
from lockgate.scan.prove import ec, edwards
from lockgate.scan.search import ec_keys, seeds, told_secrets
from lockgate.scan.search.candidates import Candidates
from lockgate.scan.search.points import ANCHORS, Points
from lockgate.scan.search.search import BlockView
from lockgate.scan.search.secret_digits import DIGITS, in_digits, packed_digits
from lockgate.scan.search.secret_filter import looks_random
from lockgate.scan.search.secret_windows import ALONE, OTHER, Windows, runs_of, windows_256
from lockgate.scan.search.word_table import WordTable
from lockgate.scan.walk import Place

PLACE = Place(3, None)
#: Bytes that prefixes, code and tables are made of, and any others.
BYTES = st.binary(max_size=300).flatmap(
    lambda tail: st.lists(
        st.sampled_from([b"\x04\x20", b"\0\0\0\x20", b"\0\0\0\x31\0", b"\0" * 9, b"d33:", tail]),
        max_size=12,
    ).map(b"".join)
)


def view(data: bytes) -> BlockView:
    """The data as one block."""
    return BlockView(Block(0, data, 0, len(data), ends_member=True), PLACE, deep=False)


def windows(rows: list[bytes], rank: int) -> Windows:
    """Windows of 32 bytes."""
    packed = np.frombuffer(b"".join(rows), np.uint64).reshape(-1, 4)
    return Windows.of(packed, np.arange(len(rows)) * 32, 32, rank)


@settings(max_examples=60, deadline=None)
@given(data=BYTES, filler=st.binary(max_size=64))
def test_told_windows_are_the_same_in_c_and_numpy(data, filler):
    """Both ways find the same byte strings behind prefixes."""
    content = filler + data + random.Random(len(data)).randbytes(200) + data + bytes(80)

    with_c = told_secrets.told_windows(view(content))
    with native.off():
        without = told_secrets.told_windows(view(content))

    for size, told in with_c.items():
        assert told.offsets.tolist() == without[size].offsets.tolist()
        assert told.rows.tobytes() == without[size].rows.tobytes()


@settings(max_examples=60, deadline=None)
@given(data=st.binary(min_size=64, max_size=400), size=st.sampled_from([32, 48, 57, 64]))
def test_filter_passes_the_same_in_c_and_numpy(data, size):
    """Both ways judge windows alike, random ones and others."""
    content = data + random.Random(1).randbytes(200) + bytes(range(256)) + data[:9] * 9
    buffer = np.frombuffer(content, np.uint8)
    positions = np.arange(len(content) - size + 1)

    with_c = looks_random(buffer, positions, size)
    with native.off():
        without = looks_random(buffer, positions, size)

    assert (with_c == without).all()


@pytest.mark.parametrize("size", [32, 48, 57, 64])
def test_filter_passes_random_strings(size):
    """Hardly any random string is lost."""
    buffer = np.frombuffer(random.Random(size).randbytes(200_000 + size), np.uint8)

    assert looks_random(buffer, np.arange(0, 200_000), size).sum() > 199_800


def test_filter_drops_code_text_and_tables():
    """Text, machine code and counters are no secrets."""
    text = b"the quick brown fox jumps over the lazy dog, 0123456789 times"
    code = bytes.fromhex("488b45f80fb6c0e8000000004889c74c8b6508ff15000000000f8524e8ffffff") * 2
    for content in (text, code, bytes(range(64)), bytes(64)):
        assert not looks_random(np.frombuffer(content[:48], np.uint8), np.zeros(1, int), 48).any()


@settings(max_examples=40, deadline=None)
@given(data=st.binary(min_size=40, max_size=300), keys=st.lists(st.integers(0, 250), max_size=6))
def test_table_finds_marked_words_alike_in_c_and_numpy(data, keys):
    """A marked pair of words is found at any alignment, whichever way."""
    content = data + bytes(64)
    table = WordTable(20)
    for at in keys:
        if at + 16 <= len(content):
            table.mark(np.frombuffer(content, np.uint64, 2, at))

    with_c = table.pairs(content, 0, len(content))
    with native.off():
        without = table.pairs(content, 0, len(content))

    assert with_c == without
    assert {at for at in keys if at + 16 <= len(content)} <= set(with_c)


def test_table_of_rows_denies_no_marked_row():
    """Rows whose words are all marked are seen; of others hardly any."""
    chance = np.random.default_rng(5)
    rows = chance.integers(0, 1 << 63, (4000, 4), dtype=np.uint64)
    table = WordTable(24)
    table.mark(rows[:2000])

    seen = table.has_rows(rows, 4)
    with native.off():
        without = table.has_rows(rows, 4)

    assert seen[:2000].all()
    assert seen[2000:].sum() < 5
    assert (seen == without).all()


def test_candidates_keep_each_secret_once_and_the_likeliest():
    """Of equal windows the likelier stays; past the bound the least likely go, and it is told."""
    chance = random.Random(6)
    rows = [chance.randbytes(32) for _ in range(60)]
    candidates = Candidates(4, 50)
    candidates.add(windows(rows[:40], OTHER), PLACE)
    candidates.add(windows(rows[20:], ALONE), PLACE)

    (batch,) = candidates.batches()

    kept = {row.tobytes() for row in batch.rows}
    assert len(batch) == len(kept) == 50
    assert {bytes(row) for row in rows[20:]} <= kept
    assert batch.ranks.tolist() == sorted(batch.ranks.tolist())
    assert candidates.is_exhausted
    assert set(batch.members.tolist()) == {PLACE.number}


@given(number=st.integers(0, (1 << 521) - 1), form=st.sampled_from([(30, 32), (28, 32), (60, 64)]))
def test_digits_make_the_number(number, form):
    """Digits of any width are put together to the number they were cut from."""
    bits, width = form
    content = digits(number, bits, width, 521)
    values = np.frombuffer(content, f"<u{width // 8}").astype(np.uint64)[None]

    assert packed_digits(values, bits, 9)[0].tobytes() == number.to_bytes(72, "little")


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("limbs", [4, 6])
def test_limbs_are_written_in_digits_again(digits, limbs):
    """The digits that fill the words asked for, as far as the number goes."""
    number = random.Random(limbs).getrandbits(64 * limbs)
    rows = np.frombuffer(number.to_bytes(8 * limbs, "little"), np.uint64)[None]

    words = in_digits(rows, digits, limbs)

    values = words.view(f"<u{digits.width // 8}").astype(np.uint64)
    bits = values.shape[1] * digits.bits
    packed = packed_digits(values, digits.bits, limbs)[0].tobytes()
    assert int.from_bytes(packed, "little") == number % (1 << bits)


def test_windows_of_a_run_are_told_with_their_likelihood():
    """A run of four words is one likely window; a run of eight has five, less likely."""
    chance = random.Random(8)
    low = bytes(24)
    four, eight = chance.randbytes(32), chance.randbytes(64)
    content = low + four + low + eight + low

    whole = next(runs_of(view(content)))
    found = windows_256(whole, deep=False)

    assert found.offsets.tolist() == [24, *range(80, 113, 8)]
    assert found.ranks[0] == ALONE < found.ranks[1]


@pytest.mark.parametrize("name", ["P-256", "secp256k1", "P-384", "P-521"])
def test_trivial_scalars_are_no_keys(name):
    """Scalars near 0 and the order, and small fractions, are refused; a random one is not."""
    curve = ec.CURVES[name]
    half = (curve.order + 1) // 2
    third = pow(3, -1, curve.order)

    assert all(ec_keys.is_trivial(curve, d) for d in (1, 7, curve.order - 2, half, third))
    assert not ec_keys.is_trivial(curve, random.Random(9).randrange(curve.order))


def test_endomorphism_of_secp256k1_is_no_key():
    """Multiples of the cube root of 1 are constants of libraries."""
    curve = ec.CURVES["secp256k1"]
    root = 0x5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72

    assert pow(root, 3, curve.order) == 1
    assert ec_keys.is_trivial(curve, root)


@given(seed=st.binary(min_size=32, max_size=32))
@settings(max_examples=10, deadline=None)
def test_expanded_key_has_the_public_key_of_its_seed(seed):
    """The first half of an expanded key gives the same public key, sign and all."""
    scalar = hashlib.sha512(seed).digest()[:32]

    assert edwards.public_key_of_scalar(scalar) == edwards.public_key("Ed25519", seed)


def test_448_bit_curves_are_derived_only_when_such_a_key_is_known():
    """Without a public key of their size nothing is derived."""
    known = Points()
    known.add([bytes(32)])

    assert not seeds.knows_448(known)
    known.add([bytes(57)])
    assert seeds.knows_448(known)


def test_points_tell_what_is_announced_once():
    """A half announced as a key share is ephemeral until it is announced otherwise."""
    known, public = Points(), bytes(range(32))
    (share,) = (name for name, anchor in ANCHORS.items() if anchor.header == b"\0\x1d\0\x20")

    known.match(share, 0, b"\0\x1d\0\x20" + public)
    ephemeral = known.is_ephemeral(public)
    known.add([public])

    assert ephemeral
    assert not known.is_ephemeral(public)
    assert public in known
    assert len(known) == 1
