"""Private exponents told by their top limbs, and found in memory where nothing else is left."""

from __future__ import annotations

import math
import os

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.registry import Registry
from lockgate.scan.search.rsa_targets import MULTIPLES, ValuesByBits, exponent_targets


@pytest.fixture(scope="module", params=[(2048, 65537), (3072, 65537), (2048, 3)])
def key(request):
    """Fresh keys of several sizes and exponents."""
    bits, e = request.param
    while True:
        made = rsa.generate_private_key(e, bits)
        numbers = made.private_numbers()
        # Five keys of a thousand have primes whose gcd the test does not know.
        if MULTIPLES[0] % math.gcd(numbers.p - 1, numbers.q - 1) == 0:
            return made


def reduced(key) -> tuple[int, int]:
    """The private exponent modulo lambda(n), and modulo phi(n)."""
    numbers = key.private_numbers()
    phi = (numbers.p - 1) * (numbers.q - 1)
    e = numbers.public_numbers.e
    return numbers.d, pow(e, -1, phi)


def test_exponent_is_told_among_random_numbers(key):
    """The exponent passes in both of its usual forms; of random numbers hardly any do.

    One of 2**17 passes by chance (the tolerance is 4 * e * MULTIPLES[0] of 2**128).
    """
    public = key.public_key().public_numbers()
    (target,) = exponent_targets([(public.n, public.e)])
    noise = [int.from_bytes(os.urandom(target.size), "little") for _ in range(4096)]

    likely = set(ValuesByBits([*noise, *reduced(key)]).likely(target))

    assert set(reduced(key)) <= likely
    assert len(likely) < 10


@settings(max_examples=50, deadline=None)
@given(e=st.integers(3, 1 << 60).filter(lambda e: e & 1), top=st.binary(min_size=64, max_size=64))
def test_test_takes_any_modulus_and_exponent(e, top):
    """No modulus or exponent makes the test fail; a large exponent leaves it out."""
    n = int.from_bytes(top, "little") | 1 | 1 << 511

    for target in exponent_targets([(n, e)]):
        assert len(list(ValuesByBits([n - 2]).likely(target))) <= 1


def test_exponent_alone_betrays_a_registered_key(key, scan, tmp_path):
    """With p, q and everything else wiped, d in raw memory is enough."""
    public = tmp_path / "public.pem"
    form = ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(*form))
    d = key.private_numbers().d
    content = bytes(4096) + d.to_bytes(key.key_size // 8, "little") + bytes(4096)

    (finding,) = scan(content, standard_scanner(Registry.load([public]))).findings

    assert finding.protected_name
    assert [p.offset for p in finding.occurrences] == [4096]
