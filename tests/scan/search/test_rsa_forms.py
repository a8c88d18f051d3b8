"""RSA keys in memory as bare numbers: every way to write them, every part, every size."""

from __future__ import annotations

import math
import random

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.scan.search.number_forms import FORMS, big_endian, is_ordinary, limbs, memory

from lockgate.formats.scanner import standard_scanner
from lockgate.scan import native
from lockgate.scan.limits import Profile
from lockgate.scan.protected import ProtectedKey
from lockgate.scan.prove.rsa import fingerprint
from lockgate.scan.registry import Registry
from lockgate.scan.report import FindingClass, Proof
from lockgate.scan.search.rsa_targets import MULTIPLES

PARTS = ("p", "q", "d", "dp", "dq")


def generate(bits: int, e: int = 65537, *, smaller: int = 0) -> dict[str, int]:
    """A test key made here; ``smaller``: by how many bits p is shorter than half of n."""
    chance = random.Random(bits * e + smaller)

    def prime(size: int) -> int:
        return int(gmpy2.next_prime(chance.getrandbits(size) | 3 << (size - 2)))

    while True:
        p, q = prime(bits // 2 - smaller), prime(bits // 2 + smaller)
        phi = (p - 1) * (q - 1)
        if math.gcd(e, phi) == 1:
            d = pow(e, -1, phi // math.gcd(p - 1, q - 1))
            return {
                "n": p * q,
                "e": e,
                "p": p,
                "q": q,
                "d": d,
                "dp": d % (p - 1),
                "dq": d % (q - 1),
            }


def register(key: dict[str, int]):
    """A scanner with the key in its registry."""
    n, e = key["n"], key["e"]
    entry = ProtectedKey("signer", fingerprint(n, e), "RSA", n.bit_length(), b"-", (n, e))
    return standard_scanner(Registry.of([entry]))


def found(report) -> list[str]:
    """The fingerprints of the private keys in a report."""
    private = {FindingClass.PRIVATE, FindingClass.PROTECTED}
    return [f.fingerprint for f in report.findings if f.class_ in private]


@pytest.fixture(scope="module")
def key():
    """A key of 2048 bits."""
    return generate(2048)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("form", FORMS)
def test_modulus_and_any_one_part_are_a_key(form, part, key, scan):
    """With nothing known before, the modulus and one private number in the same form suffice."""
    written = FORMS[form]

    report = scan(memory([written(key["n"]), written(key[part])]))

    assert found(report) == [fingerprint(key["n"], 65537)]
    assert report.gaps == ()


def test_lowest_limb_may_look_like_text(scan):
    """One key of 256 has no byte above 127 in it; zeros before it make no text of it."""
    chance = random.Random(11)
    p = int(gmpy2.next_prime(chance.getrandbits(512) | 3 << 510))
    q = p
    while not limbs(p * q)[:8].isascii():
        q = int(gmpy2.next_prime(chance.getrandbits(512) | 3 << 510))
    apart = bytes(64)

    report = scan(apart + limbs(p * q) + apart + limbs(p) + apart)

    assert found(report) == [fingerprint(p * q, 65537)]


@pytest.mark.parametrize("bits", [1024, 1536, 1280, 3072, 4096, 8192])
@pytest.mark.parametrize("form", ["limbs", "big-endian", "int-array", "digits-60", "digits-30"])
def test_sizes_of_keys_do_not_matter(form, bits, scan):
    """Usual and odd sizes are found."""
    key = generate(bits)
    written = FORMS[form]

    report = scan(memory([written(key["n"]), written(key["p"]), written(key["d"])]))

    assert found(report) == [fingerprint(key["n"], 65537)]


@pytest.mark.parametrize("shift", range(8))
def test_big_endian_bytes_are_found_at_any_place(shift, key, scan):
    """Big-endian numbers need no alignment."""
    content = memory([big_endian(key["n"]), big_endian(key["q"])], shift=shift)

    assert found(scan(content)) == [fingerprint(key["n"], 65537)]


@pytest.mark.parametrize("e", [3, 17, 257])
@pytest.mark.parametrize("part", ["d", "dp"])
def test_usual_exponents_are_tried(part, e, scan):
    """Where no public exponent is seen, the usual ones are tried."""
    key = generate(2048, e)

    report = scan(memory([limbs(key["n"]), limbs(key[part])]))

    assert found(report) == [fingerprint(key["n"], e)]


def test_crt_exponent_alone_is_told_as_such(key, scan):
    """The proof says that a CRT exponent gave the key away."""
    (finding,) = [
        f
        for f in scan(memory([limbs(key["n"]), limbs(key["dq"])])).findings
        if f.class_ is FindingClass.PRIVATE
    ]

    assert Proof.RSA_CRT_EXPONENT in finding.proof
    assert Proof.RSA_DIVIDES not in finding.proof


@pytest.mark.parametrize("form", ["limbs", "big-endian", "int-array"])
@pytest.mark.parametrize("part", ["p", "q", "d"])
def test_registered_key_is_found_among_random_bytes(form, part, key, scan):
    """One copy of one number inside compressed or random data gives a registered key away."""
    chance = random.Random(5)
    lead = 40_003 if form == "big-endian" else 40_000
    content = chance.randbytes(lead) + FORMS[form](key[part]) + chance.randbytes(40_000)

    (finding,) = scan(content, register(key)).findings

    assert finding.protected_name == "signer"
    assert [place.offset for place in finding.occurrences] == [lead]


@pytest.mark.parametrize("part", PARTS)
def test_registered_key_may_have_unequal_primes(part, scan):
    """Primes of different sizes are found where they stand alone."""
    key = generate(2048, smaller=124)

    report = scan(memory([limbs(key[part])]), register(key))

    assert found(report) == [fingerprint(key["n"], 65537)]


def test_packed_expression_is_read_by_its_lengths(key, scan):
    """Numbers packed behind their lengths, as libgcrypt does, need no borders around them."""
    packed = b"".join(
        b"\1"
        + (len(big_endian(value)) + 1).to_bytes(2, "little")
        + b"\0"
        + big_endian(value)
        + b"\4"
        for value in (key["n"], key["d"], key["q"], key["p"])
    )

    assert found(scan(memory([packed], shift=3))) == [fingerprint(key["n"], 65537)]


def test_square_of_a_prime_and_library_primes_are_no_key(scan):
    """Equal primes, and primes that everybody knows, prove nothing."""
    p = generate(2048)["p"]
    curve = (1 << 521) - 1

    report = scan(memory([limbs(p * p), limbs(p), limbs(curve * curve), limbs(curve)]))

    assert found(report) == []


def test_numbers_without_a_modulus_are_no_key(key, scan):
    """A prime alone, or an exponent alone, is not a finding."""
    assert found(scan(memory([limbs(key["p"]), limbs(key["d"])]))) == []


@pytest.mark.parametrize("shift", [1, 5])
def test_deep_scan_finds_limbs_at_any_place(shift, key, scan):
    """Packed structures may put limbs anywhere; the deep profile looks everywhere."""
    content = memory([limbs(key["n"]), limbs(key["p"])], shift=shift)

    report = scan(content, standard_scanner(profile=Profile.DEEP))

    assert fingerprint(key["n"], 65537) in found(report)


def test_loops_in_c_and_numpy_find_the_same(key, scan):
    """A scan without the library reports what one with it does."""
    written = [FORMS[form](key[part]) for form in FORMS for part in ("n", "p", "d")]
    content = memory(written) + random.Random(3).randbytes(1 << 16)
    registered = register(key)

    with native.off():
        slow = scan(content), scan(content, registered)

    fast = scan(content), scan(content, registered)
    assert [r.findings for r in slow] == [r.findings for r in fast]
    assert [r.gaps for r in slow] == [r.gaps for r in fast]


def test_generated_keys_of_a_library_are_found(scan):
    """A key made by a library, its numbers in no order, is found with all its places."""
    while True:
        numbers = rsa.generate_private_key(65537, 2048).private_numbers()
        n, d, p, q = numbers.public_numbers.n, numbers.d, numbers.p, numbers.q
        parts = [numbers.dmq1, q, n, d, p, numbers.dmp1]
        if all(map(is_ordinary, parts)) and MULTIPLES[0] % math.gcd(p - 1, q - 1) == 0:
            break

    (finding,) = [f for f in scan(memory(map(limbs, parts))).findings if f.algorithm == "RSA"]

    assert len(finding.occurrences) == 5
    assert {Proof.RSA_FACTORS, Proof.RSA_EXPONENTS} <= set(finding.proof)
