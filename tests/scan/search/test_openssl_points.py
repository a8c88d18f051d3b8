"""OpenSSL's points in Jacobian coordinates, written as its structures into a made-up core."""

from __future__ import annotations

import random
import struct

import pytest
from tests.scan.dumps.writers import BASE, elf
from tests.scan.search.planted import EcKey, limbs

from lockgate.scan.prove.primes import FIELDS
from lockgate.scan.report import Proof

NAMES = {"P-256": 415, "secp256k1": 714, "P-384": 715, "P-521": 716}


class Heap:
    """Memory at ``BASE``; each call gives the address of what it wrote."""

    def __init__(self) -> None:
        self.data = bytearray(256)

    def write(self, content: bytes) -> int:
        """Bytes in a chunk of their own."""
        address = BASE + len(self.data)
        self.data += content + bytes(-len(content) % 16 + 16)
        return address

    def bignum(self, number: int, size: int) -> int:
        """A BIGNUM and its limbs."""
        content = limbs(number, size)
        count = len(content) // 8
        return self.write(struct.pack("<QiiiI", self.write(content), count, count, 0, 1))

    def core(self) -> bytes:
        """A core dump."""
        return elf(bytes(self.data) + bytes(-len(self.data) % 4096)).data


def generated(key: EcKey, *, montgomery: bool, chance: random.Random) -> Heap:
    """A key as it is when it was just generated: X * Z^2, Y * Z^3, Z for any Z."""
    heap, prime, size = Heap(), FIELDS[key.curve.name], key.curve.bits
    y = int.from_bytes(key.point[1 + key.curve.size :], "big")
    z = chance.randrange(2, prime)
    numbers = [key.x * z**2 % prime, y * z**3 % prime, z]
    if montgomery:
        shift = 64 * -(-size // 64)
        numbers = [(n << shift) % prime for n in numbers]
    heap.bignum(key.d, size)
    x, y, z = (heap.bignum(n, size) for n in numbers)
    heap.write(struct.pack("<QQQQQQ", BASE, NAMES[key.curve.name], x, y, z, 0))
    return heap


@pytest.mark.parametrize("montgomery", [True, False])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_generated_key_is_found_by_its_jacobian_point(name, montgomery, scan):
    """The scalar of a point that never was affine is found."""
    chance = random.Random(31)
    key = EcKey(name, chance)

    (finding,) = scan(generated(key, montgomery=montgomery, chance=chance).core()).findings

    assert finding.fingerprint == key.fingerprint
    assert {Proof.EC_KNOWN_POINT, Proof.BIGNUM_STRUCTURE} <= set(finding.proof)


def test_point_of_another_key_proves_nothing(scan):
    """A point that no number of the dump derives is no finding, nor are broken pointers."""
    chance = random.Random(32)
    key = EcKey("P-256", chance)
    other = generated(EcKey("P-256", chance), montgomery=True, chance=chance)
    strange = Heap()
    strange.bignum(key.d, 256)
    strange.data += other.data[512:]
    strange.write(struct.pack("<QQQQQQ", BASE, 415, BASE, BASE + 8, 1 << 40, 0))

    assert scan(strange.core()).findings == ()
