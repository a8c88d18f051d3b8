"""Private exponents told by their top limb, and found in memory where nothing else is left."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.registry import Registry
from lockgate.scan.search.exponent import MULTIPLE, ExponentTest


@pytest.fixture(scope="module", params=[(2048, 65537), (3072, 65537), (2048, 3)])
def key(request):
    """Fresh keys of several sizes and exponents."""
    bits, e = request.param
    while True:
        made = rsa.generate_private_key(e, bits)
        numbers = made.private_numbers()
        # One key of a hundred has primes whose gcd the test does not know.
        if MULTIPLE % math.gcd(numbers.p - 1, numbers.q - 1) == 0:
            return made


def reduced(key) -> tuple[int, int]:
    """The private exponent modulo lambda(n), and modulo phi(n)."""
    numbers = key.private_numbers()
    phi = (numbers.p - 1) * (numbers.q - 1)
    e = numbers.public_numbers.e
    return numbers.d, pow(e, -1, phi)


def test_exponent_is_told_among_random_windows(key):
    """The exponent passes in both of its usual forms; of random numbers hardly any do.

    One window of 2**17 passes by chance (the tolerance is 4 * e * MULTIPLE of 2**64).
    """
    public = key.public_key().public_numbers()
    size = public.n.bit_length() // 64
    noise = os.urandom(8 * 4096)
    content = b"".join(noise[: 8 * 512] + d.to_bytes(8 * size, "little") for d in reduced(key))
    words = np.frombuffer(content, "<u8")
    test = ExponentTest([(public.n, public.e)], size)

    likely = test.likely(words, np.arange(len(words) - size + 1))

    assert {512, 512 + size + 512} <= set(likely.tolist())
    assert len(likely) < 10


@settings(max_examples=50, deadline=None)
@given(e=st.integers(3, 1 << 60).filter(lambda e: e & 1), top=st.binary(min_size=64, max_size=64))
def test_test_takes_any_modulus_and_exponent(e, top):
    """No modulus or exponent makes the test fail; a large exponent leaves it out."""
    n = int.from_bytes(top, "little") | 1 | 1 << 511
    test = ExponentTest([(n, e)], 8)

    assert len(test.likely(np.frombuffer(top, "<u8"), np.arange(1))) <= 1


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
