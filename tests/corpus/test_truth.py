"""The truth itself: what the recall is measured against has to be right by other means."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

_HERE = str(Path(__file__).parent)
sys.path.insert(0, _HERE)
import brute  # noqa: E402
import forms  # noqa: E402
import keys  # noqa: E402
import truth  # noqa: E402

sys.path.remove(_HERE)

#: FIPS 197, appendix A: key and last round key.
_EXPANSIONS = {
    "2b7e151628aed2a6abf7158809cf4f3c": "d014f9a8c9ee2589e13f0cc8b6630ca6",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b": "e98ba06f448c773c8ecc720401002202",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": (
        "fe4890d1e6188d0b046df344706c631e"
    ),
}


@pytest.fixture(scope="module")
def rsa() -> keys.Key:
    """A fresh test key."""
    return keys.generate("rsa1024")


def _only(key: keys.Key, content: bytes, folder: Path) -> truth.Presence:
    dump = folder / "dump"
    dump.write_bytes(content)
    return truth.presences([key], dump)[0]


def _form(key: keys.Key, part: str, name: str) -> bytes:
    return forms.number_forms(*key.numbers[part])[name]


@pytest.mark.parametrize(("key", "last"), _EXPANSIONS.items())
def test_aes_keys_are_expanded_as_the_standard_shows(key, last):
    """The examples of FIPS 197, for all three sizes."""
    assert forms.expand(bytes.fromhex(key))[-1].hex() == last


def test_a_pattern_is_found_at_every_offset_and_across_blocks(tmp_path, monkeypatch):
    """Blocks overlap by the longest pattern, and no place is told twice."""
    monkeypatch.setattr(brute, "_BLOCK", 1000)
    secret = hashlib.sha512(b"any bytes").digest()
    places = [1, 500, 970, 1999, 3000]
    content = bytearray(4000)
    for at in places:
        content[at : at + 64] = secret
    (tmp_path / "dump").write_bytes(content)

    found = brute.Patterns({"it": secret}).find(tmp_path / "dump")

    assert found == {"it": places}


def test_a_pattern_short_enough_for_chance_is_refused():
    """Below eight bytes a hit would mean nothing."""
    with pytest.raises(ValueError, match="fewer than 8"):
        brute.Patterns({"short": b"1234567"})


@pytest.mark.parametrize("name", ["be", "le", "words32", "digits30in32", "digits60in64"])
def test_a_prime_alone_is_provable_only_for_a_registered_key(rsa, tmp_path, name):
    """Nothing tells a lone prime from another; with n known it is the key."""
    seen = _only(rsa, bytes(40) + _form(rsa, "p", name) + bytes(40), tmp_path)

    assert (seen.alone, seen.registered) == (False, True)
    assert seen.places[f"p/{name}"] == [40]


def test_a_prime_and_the_modulus_are_provable(rsa, tmp_path):
    """They may stand in different forms."""
    content = _form(rsa, "p", "le") + bytes(64) + _form(rsa, "n", "be")

    assert _only(rsa, content, tmp_path).alone


def test_public_numbers_are_no_key(rsa, tmp_path):
    """A modulus, and nothing else."""
    seen = _only(rsa, _form(rsa, "n", "be"), tmp_path)

    assert (seen.alone, seen.registered) == (False, False)


@pytest.mark.parametrize("kind", ["p256", "p521", "secp256k1"])
def test_a_scalar_needs_its_public_point(tmp_path, kind):
    """Alone it is provable for a registered key only; with x it is for all."""
    key = keys.generate(kind)
    scalar = _form(key, "d", "le")

    assert not _only(key, scalar, tmp_path).alone
    assert _only(key, scalar, tmp_path).registered
    assert _only(key, scalar + bytes(8) + _form(key, "x", "be"), tmp_path).alone


def test_a_private_encoding_is_enough(tmp_path):
    """Text, DER, hexadecimal."""
    key = keys.generate("ed25519")
    for content in forms.encoding_forms(key.encodings["pkcs8"]).values():
        assert _only(key, b"before " + content + b" after", tmp_path).alone


def test_an_aes_key_counts_where_it_is_expanded(tmp_path):
    """The bare key cannot be told from other bytes; its schedule can."""
    key = keys.symmetric(bytes(range(100, 132)))

    assert not _only(key, key.raw, tmp_path).alone
    for content in forms.schedule_forms(key.raw).values():
        assert _only(key, content, tmp_path).alone
