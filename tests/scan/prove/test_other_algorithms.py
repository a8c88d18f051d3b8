"""EC, Edwards and DSA keys: derived public halves and fingerprints equal those of others."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa as pyca_dsa
from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec

from lockgate.scan.prove import dsa, ec, edwards
from lockgate.scan.report import Proof


def spki(key: object) -> str:
    """The fingerprint as ``cryptography`` encodes it."""
    der = key.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


@pytest.mark.parametrize("name", list(ec.CURVES))
def test_ec_fingerprint_is_that_of_cryptography(name):
    """Named curve, uncompressed point, for every curve."""
    curve = ec.CURVES[name]
    key = pyca_ec.generate_private_key(curve.make())
    point = ec.public_point(curve, key.private_numbers().private_value)
    assert ec.fingerprint(curve, point) == spki(key.public_key())
    assert curve.order == curve.make().group_order
    assert curve.bits == curve.make().key_size


def test_ec_points_are_equal_in_every_encoding():
    """Compressed and hybrid encodings of a point are that point; another is not."""
    curve = ec.CURVES["P-256"]
    point, other = ec.public_point(curve, 12345), ec.public_point(curve, 54321)
    parity = point[-1] & 1
    assert ec.same_point(curve, point, point)
    assert ec.same_point(curve, point, bytes((2 | parity,)) + point[1:33])
    assert ec.same_point(curve, point, bytes((6 | parity,)) + point[1:])
    assert not ec.same_point(curve, point, bytes((3 - parity,)) + point[1:33])
    assert not ec.same_point(curve, point, other)


@pytest.mark.parametrize("offset", [0, 1, -1])
def test_ec_scalar_out_of_range_is_refused(offset):
    """Zero, the order and beyond are no scalars."""
    curve = ec.CURVES["P-256"]
    scalar = {0: 0, 1: curve.order, -1: -1}[offset]
    with pytest.raises(ValueError, match="outside"):
        ec.public_point(curve, scalar)


def test_curves_are_known_by_oid_and_prime():
    """Both ways of naming a curve lead to it; unknown ones to nothing."""
    for curve in ec.CURVES.values():
        assert ec.curve_by_oid(curve.oid) is curve
        assert ec.curve_by_prime(curve.prime) is curve
    assert ec.curve_by_oid(b"\x06\x01\x00") is None
    assert ec.curve_by_prime(7) is None


def test_ed25519_vector_of_rfc_8032():
    """Section 7.1, test 1."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert edwards.public_key("Ed25519", seed).hex() == public


@pytest.mark.parametrize("name", list(edwards.ALGORITHMS))
def test_seed_fingerprint_is_that_of_cryptography(name, keys_by_name):
    """RFC 8410 SubjectPublicKeyInfo for the four algorithms."""
    key = keys_by_name[name]
    public = edwards.public_key(name, key.private_bytes_raw())
    assert edwards.fingerprint(name, public) == spki(key.public_key())
    assert edwards.algorithm_by_oid(edwards.ALGORITHMS[name].oid).name == name


@pytest.fixture(scope="module")
def keys_by_name():
    """One key of each seed algorithm."""
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, x448, x25519

    return {
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
        "X25519": x25519.X25519PrivateKey.generate(),
        "Ed448": ed448.Ed448PrivateKey.generate(),
        "X448": x448.X448PrivateKey.generate(),
    }


@pytest.fixture(scope="module")
def dsa_numbers():
    """A DSA key and its public object."""
    key = pyca_dsa.generate_private_key(1024)
    v = key.private_numbers()
    group = v.public_numbers.parameter_numbers
    return dsa.DsaNumbers(group.p, group.q, group.g, v.x, v.public_numbers.y), key.public_key()


def test_dsa_key_is_proven_with_its_fingerprint(dsa_numbers):
    """The relation holds, with and without the public value."""
    numbers, public = dsa_numbers
    assert dsa.prove(numbers) == dsa.prove(replace(numbers, y=None)) == (Proof.DSA_RELATION,)
    assert dsa.public_value(numbers) == numbers.y
    assert dsa.fingerprint(numbers.p, numbers.q, numbers.g, numbers.y) == spki(public)


@pytest.mark.parametrize(
    "change", [{"x": 0}, {"g": 1}, {"p": 7}, {"q": 15}, {"y": 5}, {"g": 2}]
)  # fmt: skip
def test_dsa_numbers_that_do_not_agree_are_refused(dsa_numbers, change):
    """Each condition by itself."""
    assert dsa.prove(replace(dsa_numbers[0], **change)) == ()


def test_dsa_subgroup_must_divide(dsa_numbers):
    """A q that does not divide p - 1, or is composite, is no subgroup order."""
    numbers = dsa_numbers[0]
    assert dsa.prove(replace(numbers, q=numbers.q + 2)) == ()
    assert (
        dsa.prove(replace(numbers, q=numbers.p - 1 if numbers.p % 4 == 1 else numbers.q * 2)) == ()
    )


def test_scalar_is_not_shown(dsa_numbers):
    """The private number is not in the representation."""
    assert str(dsa_numbers[0].x) not in repr(dsa_numbers[0])
