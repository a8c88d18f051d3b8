"""Keys cut, flipped and overwritten: never called clean; look-alikes: never called keys."""

from __future__ import annotations

import base64
import os
import random
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as pyca_rsa

from lockgate.scan.evidence import NeedsPublic, Proven, Refuted, Undecided
from lockgate.scan.prove import der

NOISE = bytes(range(1, 200)) * 3


def is_open(judgement) -> bool:
    """Whether the engine would find a key or record a gap."""
    if isinstance(judgement, NeedsPublic):
        return isinstance(judgement.otherwise, Undecided)
    return isinstance(judgement, (Proven, Undecided))


def is_key(judgement) -> bool:
    """Whether the engine would report a key without anything else in the file."""
    return isinstance(judgement, Proven)


@pytest.mark.parametrize("kind", ["rsa-2048", "p256", "p384", "ed25519", "x25519"])
@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_der_cut_at_the_end_is_not_clean(kind, share, keys, encoded, judge):
    """A file that ends within the private part is a finding or a gap."""
    member = encoded(keys[kind], "DER", "PKCS8")
    assert any(map(is_open, judge(member[: int(len(member) * share)])))


@pytest.mark.parametrize("kind", ["rsa-2048", "p256", "p384", "ed25519"])
@pytest.mark.parametrize("form", ["PKCS8", "OpenSSH"])
@pytest.mark.parametrize("share", [0.85, 0.95])
def test_pem_cut_at_the_end_is_not_clean(kind, form, share, keys, encoded, judge):
    """The same in armour, of which the END line is lost as well."""
    member = encoded(keys[kind], "PEM", form)
    assert any(map(is_open, judge(member[: int(len(member) * share)])))


def test_half_an_rsa_key_is_proven_by_its_exponent(keys, encoded, proven, fingerprint):
    """When n, e and d are whole, the rest is not needed."""
    member = encoded(keys["rsa-2048"], "DER", "TraditionalOpenSSL")
    (only,) = proven(member[: len(member) // 2])
    assert only.fingerprint == fingerprint(keys["rsa-2048"])


def test_pem_cut_before_the_private_part_is_refuted(keys, encoded, judge):
    """An example in a manual that shows the first line gives nothing away."""
    first = encoded(keys["rsa-2048"], "PEM", "PKCS8").splitlines()[1][:40].decode()
    text = f"-----BEGIN PRIVATE KEY-----\n{first}...\n-----END PRIVATE KEY-----\n"
    assert all(isinstance(j, Refuted) for j in judge(text.encode()))


@pytest.mark.parametrize("seed", range(40))
def test_one_flipped_byte_of_an_rsa_key_is_not_clean(seed, keys, encoded, judge):
    """Any single damage behind the first header leaves a finding or a gap."""
    draw = random.Random(seed)
    member = bytearray(encoded(keys["rsa-2048"], "DER", "TraditionalOpenSSL"))
    member[draw.randrange(8, len(member))] ^= 1 << draw.randrange(8)
    assert any(map(is_open, judge(bytes(member))))


@pytest.mark.parametrize("kind", ["rsa-2048", "p256"])
@pytest.mark.parametrize("seed", range(20))
def test_one_lost_character_of_armour_is_not_clean(kind, seed, keys, encoded, judge):
    """A character that was dropped from the base64 text shifts all that follows."""
    pem = encoded(keys[kind], "PEM", "PKCS8")
    place = random.Random(seed).randrange(30, pem.index(b"-----END") - 60)
    assert any(map(is_open, judge(pem[:place] + pem[place + 1 :])))


def test_overwritten_primes_leave_the_exponent(keys, encoded, proven, fingerprint):
    """Zeroed primes and CRT values, d forgotten: the key is still there."""
    numbers = keys["rsa-2048"].private_numbers()
    public = numbers.public_numbers
    fields = (0, public.n, public.e, numbers.d)
    member = der.encode(
        der.SEQUENCE,
        *map(der.encode_integer, fields),
        *(der.encode(der.INTEGER, bytes(129)) for _ in range(5)),
    )
    (only,) = proven(member)
    assert only.fingerprint == fingerprint(keys["rsa-2048"])


def test_lost_header_leaves_the_numbers(keys, encoded, proven, fingerprint):
    """PKCS #1 without its SEQUENCE header, in memory."""
    member = NOISE + encoded(keys["rsa-2048"], "DER", "TraditionalOpenSSL")[4:] + NOISE
    (only,) = proven(member)
    assert only.fingerprint == fingerprint(keys["rsa-2048"])
    assert only.offset == len(NOISE)


def test_point_that_contradicts_the_scalar_is_not_proven(keys, encoded, judge):
    """A flipped bit in the stored point or in the scalar: no finding, but a gap."""
    for place in (20, -5):
        member = bytearray(encoded(keys["p256"], "DER", "TraditionalOpenSSL"))
        member[place] ^= 1
        judgements = judge(bytes(member))
        assert not any(map(is_key, judgements))
        assert any(map(is_open, judgements))


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----\0",
        b"-----BEGIN PRIVATE KEY-----",
        b"-----BEGIN RSA PRIVATE KEY-----\0" + b"\0".join(b"%x" % i**9 for i in range(2000)),
        b"-----BEGIN EC PRIVATE KEY-----\0-----BEGIN DSA PRIVATE KEY-----\0",
        b"-----BEGIN PRIVATE KEY-----\n<your key here>\n-----END PRIVATE KEY-----",
        b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBg" * 40 + b"\n-----END PRIVATE KEY-----",
        b"-----BEGIN RSA PRIVATE KEY-----\n" + b"fakekey\n" * 60 + b"-----END RSA PRIVATE KEY-----",
    ],
)
def test_label_without_a_key_is_refuted(text, judge):
    """Tables of labels, placeholders, repeated text."""
    assert all(isinstance(j, Refuted) for j in judge(text))


def test_public_halves_are_refuted(keys, encoded, judge):
    """A public key or certificate request has no private part."""
    from cryptography.hazmat.primitives import serialization as ser

    for key in keys.values():
        public = key.public_key()
        for encoding in (ser.Encoding.DER, ser.Encoding.PEM):
            form = ser.PublicFormat.SubjectPublicKeyInfo
            assert not any(map(is_open, judge(public.public_bytes(encoding, form))))


def _decoy(draw: random.Random) -> bytes:
    """A complete RSAPrivateKey of 2048 bits whose numbers are drawn at random."""
    sizes = (2048, 2048, 1024, 1024, 1024, 1024, 1024)
    n, *rest = (draw.getrandbits(size) | (1 << (size - 1)) | 1 for size in sizes)
    return der.encode(der.SEQUENCE, *map(der.encode_integer, (0, n, 65537, *rest)))


def test_a_thousand_decoys_are_refuted_quickly(judge):
    """Random numbers in perfect structure cost far less than parsing them with checks."""
    draw = random.Random(7)
    member = b"".join(_decoy(draw) for _ in range(1000))
    start = time.process_time()
    judgements = judge(member)
    assert time.process_time() - start < 5
    assert len(judgements) >= 1000
    assert not any(map(is_open, judgements))


def test_decoy_with_composite_factors_is_not_proven(judge):
    """The product n is no proof when p and q are no primes."""
    draw = random.Random(3)
    p, q = (15 * (draw.getrandbits(1020) | 1) for _ in range(2))
    rest = (draw.getrandbits(1024) for _ in range(3))
    member = der.encode(
        der.SEQUENCE, *map(der.encode_integer, (0, p * q, 65537, p * q // 3, p, q, *rest))
    )
    assert not any(map(is_key, judge(member)))


def test_random_bytes_hold_no_key(judge):
    """A megabyte of noise has no candidate that stays open."""
    assert not any(map(is_open, judge(os.urandom(1 << 20))))


def test_key_among_decoys_is_found(judge, keys, encoded, fingerprint):
    """Decoys before and after do not hide a key."""
    draw = random.Random(11)
    decoys = b"".join(_decoy(draw) for _ in range(50))
    key = encoded(keys["rsa-2048"], "DER", "TraditionalOpenSSL")
    found = [j for j in judge(decoys + key + decoys) if is_key(j)]
    assert [e.fingerprint for j in found for e in j.evidence] == [fingerprint(keys["rsa-2048"])]


def test_random_body_in_armour_is_not_clean(judge):
    """Where a key was announced and random bytes stand, nothing is certain."""
    body = base64.encodebytes(b"\x01" + os.urandom(300)).decode()
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n"
    assert any(map(is_open, judge(text.encode())))


def test_two_keys_that_share_a_modulus_size_stay_apart(proven):
    """Two keys in one member are two fingerprints."""
    from cryptography.hazmat.primitives import serialization as ser

    form = (ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    pems = [pyca_rsa.generate_private_key(65537, 1024).private_bytes(*form) for _ in range(2)]
    assert len({e.fingerprint for e in proven(b"".join(pems))}) == 2
