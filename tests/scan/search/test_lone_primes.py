"""RSA keys of which the modulus is nowhere: two primes side by side, or with their exponents."""

from __future__ import annotations

import random
from collections.abc import Sequence

import gmpy2
import pytest
from tests.scan.search import number_forms

from lockgate.scan.prove.rsa import fingerprint
from lockgate.scan.report import GapReason

#: Bytes of noise that part what does not stand side by side.
_FAR = 40_000


class _Key:
    """A test key drawn from a seed, none of whose primes goes unseen by chance."""

    def __init__(self, chance: random.Random, bits: int = 1024) -> None:
        self.p, self.q = (_prime(chance, bits) for _ in range(2))
        self.d = pow(65537, -1, (self.p - 1) * (self.q - 1))
        self.dp, self.dq = self.d % (self.p - 1), self.d % (self.q - 1)
        self.fingerprint = fingerprint(self.p * self.q, 65537)


def _prime(chance: random.Random, bits: int) -> int:
    while True:
        value = int(gmpy2.next_prime(chance.getrandbits(bits) | 3 << bits - 2))
        if number_forms.is_ordinary(value) and value % 65537 != 1:
            return value


@pytest.fixture
def found(scan):
    """The fingerprints that a scan without gaps finds."""

    def fingerprints(content: bytes) -> list[str]:
        report = scan(content)
        assert not report.gaps
        return sorted(finding.fingerprint for finding in report.findings)

    return fingerprints


def _apart(numbers: Sequence[int], chance: random.Random) -> bytes:
    parts = (number_forms.memory([number_forms.limbs(n)], seed=n & 255) for n in numbers)
    return b"".join(part + number_forms.noise(chance, _FAR) for part in parts)


@pytest.mark.parametrize("form", number_forms.FORMS)
def test_two_primes_side_by_side_are_a_key(form, found):
    """In every form in which a number is found on its own."""
    key = _Key(random.Random(1))
    written = [number_forms.FORMS[form](prime) for prime in (key.q, key.p)]
    assert found(number_forms.memory(written)) == [key.fingerprint]


@pytest.mark.parametrize("bits", [1024, 1280, 1536, 2048])
def test_primes_of_the_usual_sizes_are_a_key(bits, found):
    """Those of keys of 2048 to 4096 bits."""
    key = _Key(random.Random(bits), bits)
    written = [number_forms.limbs(prime) for prime in (key.p, key.q)]
    assert found(number_forms.memory(written)) == [key.fingerprint]


def test_primes_far_apart_are_a_key_with_a_private_exponent_that_agrees(found):
    """Of three keys each prime is given to its own, wherever everything stands."""
    chance = random.Random(2)
    keys = [_Key(chance) for _ in range(3)]
    numbers = [getattr(key, name) for name in ("p", "d", "q") for key in keys]
    assert found(_apart(numbers, chance)) == sorted(key.fingerprint for key in keys)


def test_primes_far_apart_are_a_key_with_their_crt_exponents(found, scan):
    """When there is one key; of more, nothing tells which belong together, and that is said."""
    chance = random.Random(2)
    first, second = (_Key(chance) for _ in range(2))
    numbers = [getattr(key, name) for name in ("p", "q", "dp", "dq") for key in (first, second)]
    assert found(_apart(numbers[::2], chance)) == [first.fingerprint]
    report = scan(_apart(numbers, chance))
    assert not report.findings
    assert [gap.reason for gap in report.gaps] == [GapReason.UNDECIDED]


def test_primes_far_apart_are_nothing_by_themselves(found):
    """Nor with the exponent of one of them: the other may be of another key."""
    chance = random.Random(3)
    key = _Key(chance)
    assert found(_apart([key.p, key.q], chance)) == []
    assert found(_apart([key.p, key.q, key.dp], chance)) == []


def test_keys_side_by_side_share_no_prime(found):
    """Every prime has two neighbours, and is of one key."""
    chance = random.Random(4)
    keys = [_Key(chance) for _ in range(4)]
    written = [number_forms.limbs(prime) for key in keys for prime in (key.p, key.q)]
    assert found(number_forms.memory(written)) == sorted(key.fingerprint for key in keys)


def test_copies_of_primes_push_no_pair_out(found):
    """Each prime of six keys stands in ten places, and each pair is tried all the same."""
    chance = random.Random(8)
    keys = [_Key(chance) for _ in range(6)]
    primes = [prime for key in keys for prime in (key.p, key.q)]
    numbers = [*primes, *primes[::2] * 9, *primes[1::2] * 9, *(key.d for key in keys)]
    content = number_forms.memory(map(number_forms.limbs, numbers))
    assert found(content) == sorted(key.fingerprint for key in keys)


def test_more_primes_than_can_be_paired_are_a_gap(scan):
    """What is not tried is told."""
    chance = random.Random(9)
    primes = [_prime(chance, 1024) for _ in range(200)]
    report = scan(number_forms.memory(map(number_forms.limbs, primes)))
    assert GapReason.BUDGET in {gap.reason for gap in report.gaps}


def test_safe_primes_are_no_keys(found):
    """Groups of Diffie-Hellman have p = 2q + 1, with any number of them side by side."""
    chance = random.Random(5)
    primes = []
    while len(primes) < 2:
        half = _prime(chance, 1023)
        if gmpy2.is_prime(2 * half + 1):
            primes.append(2 * half + 1)
    written = [number_forms.limbs(prime) for prime in primes]
    assert found(number_forms.memory(written)) == []


def test_random_numbers_side_by_side_are_no_keys(found):
    """Among two thousand neighbours chance has made two primes: they prove nothing."""
    chance = random.Random(6)
    key = _Key(chance)
    numbers = [chance.getrandbits(1024) | 1 << 1023 | 1 for _ in range(2000)]
    written = [number_forms.limbs(number) for number in (*numbers, key.p, key.q)]
    assert found(number_forms.memory(written)) == []
