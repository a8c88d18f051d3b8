"""Numbers without markers: runs of limbs, divisors, factors and exponents."""

from __future__ import annotations

import math
import random
import time

import gmpy2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import OutOfTimeError
from lockgate.scan.prove import rsa as rsa_proof
from lockgate.scan.report import Proof
from lockgate.scan.search import windows
from lockgate.scan.search.divide import Moduli
from lockgate.scan.search.numbers import Number, NumberPool
from lockgate.scan.search.rsa_keys import find_rsa_keys
from lockgate.scan.walk import Place

PLACE = Place(0, None)


@pytest.fixture(scope="module")
def key():
    """The numbers of a fresh key."""
    return rsa.generate_private_key(65537, 2048).private_numbers()


def found(values: list[int], moduli: list[int]):
    """All sightings among ``values`` with ``moduli`` known."""
    pool = NumberPool(100)
    for n in moduli:
        pool.add_modulus(n, None)
    numbers = [Number(v, PLACE, 1000 * i, 128, "openssl-bignum") for i, v in enumerate(values)]
    return list(find_rsa_keys(numbers, pool, Gaps(), time.monotonic() + 30))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_divisors_are_those_that_divide(data):
    """The remainder tree gives exactly what trial division by the odd ones gives."""
    number = st.integers(2, 1 << 40)
    factors = data.draw(st.lists(number, min_size=1, max_size=12))
    moduli = data.draw(
        st.lists(st.builds(math.prod, st.lists(st.sampled_from(factors), max_size=3)), max_size=8)
    )

    hits = Moduli(moduli).divided_by(factors)

    expected = {
        (i, n) for i, f in enumerate(factors) for n in moduli if 1 < f < n and n % f == 0 and f & 1
    }
    assert set(hits) == expected


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), max_size=20))
def test_runs_are_told_with_their_lengths(lengths):
    """Runs of random-looking words between low ones are found where they are."""
    chance, words, expected = random.Random(3), [], []
    for low, high in lengths:
        words += [0x7F00_0000_1000] * low
        if high >= 4:
            expected.append((len(words), high))
        words += [chance.getrandbits(62) | 1 << 63 for _ in range(high)]
    starts, found = windows.runs(np.array([*words, 0], np.uint64).view(np.uint8), 4)

    assert list(zip(starts.tolist(), found.tolist(), strict=True)) == expected


def test_sieve_keeps_what_small_primes_do_not_divide():
    """The sum of weighted halves decides divisibility by the primes up to 17 exactly."""
    chance = random.Random(7)
    values = [chance.getrandbits(1024) | 1 for _ in range(300)]
    buffer = np.frombuffer(b"".join(v.to_bytes(128, "little") for v in values), np.uint8)

    kept = windows.sieved(buffer, np.arange(300) * 128, 128)

    expected = [128 * i for i, v in enumerate(values) if math.gcd(v, windows.SIEVED) == 1]
    assert kept.tolist() == expected


def test_all_parts_are_places_and_prove_everything(key):
    """The seven numbers of a key prove it in full; the private ones are its places."""
    n = key.public_numbers.n
    parts = [key.p, key.q, key.d, key.dmp1, key.dmq1, key.iqmp]

    sightings = found([n, 65537, *parts], [n])

    assert len(sightings) == 6
    proof = set(sightings[0].evidence.proof)
    assert {Proof.RSA_FACTORS, Proof.RSA_EXPONENTS, Proof.RSA_CRT} <= proof


@pytest.mark.parametrize("part", ["p", "q", "d"])
def test_any_one_part_beside_the_modulus_is_enough(part, key):
    """A factor divides, a private exponent inverts."""
    n = key.public_numbers.n

    (sighting,) = found([getattr(key, part)], [n])

    proof = sighting.evidence.proof
    assert (Proof.RSA_INVERTS if part == "d" else Proof.RSA_DIVIDES) in proof


def test_public_numbers_prove_nothing(key):
    """Modulus, exponent, primes of curves and of Diffie-Hellman groups are no key."""
    n = key.public_numbers.n
    curve = 2**521 - 1

    assert found([n, 65537, curve, curve, n - 1], [n, curve * curve]) == []


def test_exponent_of_one_prime_is_no_key(key):
    """The exponent dP inverts e modulo p; that p is no modulus."""
    assert found([key.dmp1], [key.p]) == []


def test_unusual_exponent_is_learnt_from_the_private_one():
    """A key with e = 3 gets the fingerprint of its own public key."""
    numbers = rsa.generate_private_key(3, 2048).private_numbers()
    n = numbers.public_numbers.n

    with_e = found([numbers.p, numbers.q, numbers.d, 3], [n])
    known = NumberPool(10)
    known.add_modulus(n, 3)

    assert {Proof.RSA_EXPONENTS} <= set(with_e[0].evidence.proof)
    assert known.exponent_of(n) == 3


def test_time_ends_the_search(key):
    """Past the deadline the search stops with an error that becomes a gap."""
    pool = NumberPool(10)
    pool.add_modulus(key.public_numbers.n, None)
    numbers = [Number(key.p, PLACE, 0, 128, "openssl-bignum")]

    with pytest.raises(OutOfTimeError):
        list(find_rsa_keys(numbers, pool, Gaps(), 0.0))


def test_numbers_do_not_show_in_a_repr(key):
    """A number that may be secret is not part of its repr."""
    assert str(key.p) not in repr(Number(key.p, PLACE, 0, 128, "openssl-bignum"))


@given(size=st.sampled_from([128, 256, 384, 512, 1024]), seed=st.integers(0, 1 << 32))
def test_random_numbers_look_random(size, seed):
    """No random number of a key's size is taken for machine code."""
    content = np.frombuffer(random.Random(seed).randbytes(size), np.uint8)
    assert len(set(content.tolist())) >= windows.distinct_bytes(size)


def test_machine_code_does_not_look_random():
    """Bytes of few values are no modulus."""
    code = np.frombuffer(b"\x48\x8b\x45\xf8\x0f\xb6\xc0\xe8" * 32, np.uint8)
    assert not len(windows.random_looking(code, np.zeros(1, np.int64), len(code)))


def test_zero_is_no_part_of_a_key(key):
    """CRT numbers that are missing do not make every zero in memory a place of the key."""
    n = key.public_numbers.n

    sightings = found([key.p, 0], [n])

    assert [s.evidence.offset for s in sightings] == [0]


@pytest.mark.parametrize("e", [3, 17, (1 << 32) + 15])
def test_unseen_exponent_is_implied_by_the_private_one(e):
    """A key of an unusual public exponent is named rightly when only p and d are left."""
    p, q = int(gmpy2.next_prime(1 << 600)), int(gmpy2.next_prime(3 << 600))
    while math.gcd(e, (p - 1) * (q - 1)) > 1:
        p, q = int(gmpy2.next_prime(p)), int(gmpy2.next_prime(q))
    d = pow(e, -1, (p - 1) * (q - 1))

    sightings = found([d, p], [p * q])

    assert {s.evidence.fingerprint for s in sightings} == {rsa_proof.fingerprint(p * q, e)}
