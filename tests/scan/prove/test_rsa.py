"""What proves an RSA key, and what looks like it and does not."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import gmpy2
import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import rsa as pyca
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.prove import rsa
from lockgate.scan.prove.primes import FIELDS, ORDERS, PUBLIC_PRIMES
from lockgate.scan.report import Proof


@pytest.fixture(scope="module")
def key() -> rsa.RsaNumbers:
    """A fresh key with all its numbers."""
    v = pyca.generate_private_key(65537, 1024).private_numbers()
    return rsa.RsaNumbers(v.public_numbers.n, 65537, v.d, v.p, v.q, v.dmp1, v.dmq1, v.iqmp)


def test_whole_key_is_proven_three_ways(key):
    """Factors, exponents and the CRT values."""
    assert rsa.prove(key) == (Proof.RSA_FACTORS, Proof.RSA_EXPONENTS, Proof.RSA_CRT)


def test_wrong_crt_value_leaves_factors_and_exponents(key):
    """A CRT value that does not agree is not claimed."""
    proof = rsa.prove(replace(key, qinv=key.qinv + 2))
    assert proof == (Proof.RSA_FACTORS, Proof.RSA_EXPONENTS)


def test_wrong_exponent_leaves_the_factors(key):
    """A key with a damaged d is still its factors."""
    assert rsa.prove(replace(key, d=key.d + 2)) == (Proof.RSA_FACTORS,)


def test_d_may_be_reduced_either_way(key):
    """Modulo phi and modulo lambda are the same key (no equality of d)."""
    phi = (key.p - 1) * (key.q - 1)
    lam = phi // int(gmpy2.gcd(key.p - 1, key.q - 1))
    for d in (pow(key.e, -1, phi), pow(key.e, -1, lam), pow(key.e, -1, lam) + lam):
        bare = rsa.RsaNumbers(key.n, key.e, d, key.p, key.q)
        assert rsa.prove(bare) == (Proof.RSA_FACTORS, Proof.RSA_EXPONENTS)


def test_one_factor_divides(key):
    """Either factor alone proves."""
    assert rsa.prove(rsa.RsaNumbers(key.n, key.e, p=key.p)) == (Proof.RSA_DIVIDES,)
    assert rsa.prove(rsa.RsaNumbers(key.n, key.e, q=key.q)) == (Proof.RSA_DIVIDES,)
    assert rsa.prove_factor(key.n, key.p) == (Proof.RSA_DIVIDES,)


def test_exponent_alone_inverts(key):
    """The private exponent alone proves, a wrong one does not."""
    assert rsa.prove_inverts(key.n, key.e, key.d) == (Proof.RSA_INVERTS,)
    assert rsa.prove(rsa.RsaNumbers(key.n, key.e, key.d)) == (Proof.RSA_INVERTS,)
    assert rsa.prove_inverts(key.n, key.e, key.d ^ 4) == ()
    assert rsa.prove_inverts(key.n, key.e, 5) == ()


def test_public_half_alone_proves_nothing(key):
    """A modulus is no finding."""
    assert rsa.prove(rsa.RsaNumbers(key.n, key.e)) == ()
    assert rsa.recover(rsa.RsaNumbers(key.n, key.e)) is None


@pytest.mark.parametrize("factor", [0, 1, 2, 3, -1])
def test_trivial_factors_are_refused(key, factor):
    """One, the modulus itself and small numbers divide without being a factor of a key."""
    assert rsa.prove_factor(key.n, factor) == ()
    assert rsa.prove_factor(key.n, key.n) == ()
    assert rsa.prove(rsa.RsaNumbers(key.n, key.e, key.d, 1, key.n)) == ()


def test_square_of_a_prime_is_refused(key):
    """The factors must differ."""
    n = key.p * key.p
    assert rsa.prove(rsa.RsaNumbers(n, key.e, p=key.p, q=key.p)) == ()
    assert rsa.prove_factor(n, key.p) == ()


def test_public_primes_are_refused(key):
    """The prime of a curve is a constant in every library."""
    curve = FIELDS["P-521"]
    assert rsa.prove_factor(curve * key.p, curve) == ()
    assert rsa.prove(rsa.RsaNumbers(curve * key.p, key.e, p=curve, q=key.p)) == ()


def test_composite_factors_are_refused(key):
    """Factors that are no primes are no key."""
    p, q = 3 * key.p, 5 * key.q
    assert rsa.prove(rsa.RsaNumbers(p * q, 65537, 7, p, q)) == ()


@pytest.mark.parametrize(("n", "e"), [(0, 3), (15, 3), (1 << 1024, 3)])
def test_impossible_public_numbers_are_refused(key, n, e):
    """Even, small and absurd moduli."""
    assert rsa.prove(replace(key, n=n, e=e)) == ()
    assert rsa.prove_inverts(n, e, key.d) == ()
    assert rsa.prove_primes(n, e, key.d, (key.p, key.q)) == ()


def test_even_exponent_is_refused(key):
    """No RSA key has an even public exponent, nor one."""
    assert rsa.prove(replace(key, e=2)) == ()
    assert rsa.prove(replace(key, e=1)) == ()


@pytest.mark.parametrize("lost", ["n", "e", "d", "p", "q", "dp", "dq", "qinv"])
def test_any_one_damaged_number_is_recovered(key, lost):
    """The rest names the key that it was."""
    damaged = replace(key, **{lost: getattr(key, lost) ^ (1 << 20)})
    found = rsa.recover(damaged)
    assert found is not None
    assert (found.n, found.e) == (key.n, key.e)
    assert found.proof


def test_unrelated_numbers_recover_nothing(key):
    """Random numbers in the places of a key stay nothing, and have no leftover."""
    other = pyca.generate_private_key(65537, 1024).private_numbers()
    mixed = rsa.RsaNumbers(key.n, key.e, other.d, other.p + 2, other.q + 2, 7, 9, 11)
    assert rsa.recover(mixed) is None
    assert not rsa.has_leftover(mixed)


def test_prime_with_its_exponent_is_a_leftover(key):
    """One prime and its CRT exponent agree, though nothing names the key."""
    left = rsa.RsaNumbers(key.n + 2, key.e, key.d + 2, key.p, key.q + 2, key.dp, 1, 1)
    assert rsa.recover(left) is None
    assert rsa.has_leftover(left)


def test_three_primes_are_proven_together():
    """Multi-prime RSA; a missing, doubled or wrong prime proves nothing."""
    primes = [int(gmpy2.next_prime(1 << size)) for size in (340, 341, 342)]
    n, lam = 1, 1
    for p in primes:
        n, lam = n * p, int(gmpy2.lcm(lam, p - 1))
    d = pow(65537, -1, lam)
    assert rsa.prove_primes(n, 65537, d, primes) == (Proof.RSA_FACTORS, Proof.RSA_EXPONENTS)
    assert rsa.prove_primes(n, 65537, d + 2, primes) == (Proof.RSA_FACTORS,)
    assert rsa.prove_primes(n, 65537, d, primes[:2]) == ()
    assert rsa.prove_primes(n, 65537, d, [*primes, primes[0]]) == ()
    assert rsa.prove_primes(n, 65537, d, [n]) == ()


@pytest.mark.parametrize("bits", [1024, 1032, 2048])
@pytest.mark.parametrize("e", [3, 65537])
def test_fingerprint_is_that_of_cryptography(bits, e):
    """SubjectPublicKeyInfo byte for byte, for several sizes and exponents."""
    public = pyca.generate_private_key(e, bits).public_key()
    der = public.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    assert rsa.fingerprint(public.public_numbers().n, e) == (
        f"sha256:{hashlib.sha256(der).hexdigest()}"
    )


@given(st.integers(0), st.integers(0), st.integers(0), st.integers(0))
def test_hostile_numbers_never_raise(n, e, d, p):
    """Any numbers at all give an answer."""
    numbers = rsa.RsaNumbers(n, e, d, p, p + 2, p, p, p)
    assert rsa.prove(numbers) == ()
    assert rsa.recover(numbers) is None
    assert isinstance(rsa.has_leftover(numbers), bool)
    assert isinstance(rsa.plausible_modulus(n), bool)


def test_numbers_do_not_show_themselves(key):
    """No field of the numbers is in their representation."""
    assert repr(key) == "RsaNumbers()"


def test_public_primes_are_primes():
    """Fields and orders are primes, and each order is near its field (Hasse)."""
    assert all(gmpy2.is_prime(p) for p in PUBLIC_PRIMES)
    for name, field in FIELDS.items():
        if not name.startswith("Curve"):
            assert abs(field + 1 - ORDERS[name]) <= 2 * gmpy2.isqrt(field) + 1


def test_exponent_survives_the_loss_of_both_primes(key):
    """Overwritten primes do not hide a key whose d is whole."""
    found = rsa.recover(replace(key, p=key.p ^ 4, q=key.q ^ 4, dp=0, dq=0, qinv=0))
    assert found == rsa.ProvenKey(key.n, key.e, (Proof.RSA_INVERTS,))
