"""Public X coordinates of many scalars at once, in the forms in which libraries keep them.

Rules enforced here:

1. C (``native/fixed_base.c``) and the fallback by ``cryptography`` give equal results; what the
   C formulas do not cover, the fallback computes.
2. A coordinate is given as little-endian limbs of ``x * 2**e mod p`` for each exponent e of the
   curve: 0 is the plain number, the others are Montgomery forms (OpenSSL and BoringSSL use 64
   bits for each limb; SymCrypt whole digits of 512 bits).
3. Curve25519 is computed once for X25519 and Ed25519: u, and v = (u - 1) / (u + 1) as its
   Edwards coordinate (RFC 7748, section 4.1).

Curve constants: FIPS 186-5 and SP 800-186, SEC 2, RFC 7748.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import gmpy2
import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.prove import ec
from lockgate.scan.prove.primes import FIELDS, ORDERS

Limbs = NDArray[np.uint64]

_WINDOW_BITS = 8
_WINDOW_ENTRIES = 128
#: Fewer scalars are not worth the making of a table.
_FEW = 8
_POINT = tuple[gmpy2.mpz, gmpy2.mpz]


@dataclass(frozen=True, slots=True)
class Base:
    """A curve ``y^2 = x^3 + middle x^2 + linear x + b`` and its generator.

    ``number`` is its place in ``native/fixed_base.c``; ``exponents`` are those of the forms.
    """

    name: str
    number: int
    bits: int
    middle: int
    linear: int
    x: int
    y: int
    exponents: tuple[int, ...]
    has_edwards: bool = False

    @property
    def prime(self) -> int:
        """The field's characteristic."""
        return FIELDS[self.name]

    @property
    def order(self) -> int:
        """The order of the generator."""
        return ORDERS[self.name]

    @property
    def limbs(self) -> int:
        """64-bit limbs of a number."""
        return -(-self.bits // 64)

    @property
    def windows(self) -> int:
        """Signed digits of a scalar; the last takes the carry."""
        return self.bits // _WINDOW_BITS + 1

    @property
    def forms(self) -> int:
        """Numbers given for each scalar."""
        return len(self.exponents) + self.has_edwards


BASES: dict[str, Base] = {
    base.name: base
    for base in (
        Base(
            "P-256", 0, 256, 0, -3,
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
            (0, 256, 512),
        ),
        Base(
            "P-384", 1, 384, 0, -3,
            int("AA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B98"
                "59F741E082542A385502F25DBF55296C3A545E3872760AB7", 16),
            int("3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147C"
                "E9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F", 16),
            (0, 384, 512),
        ),
        Base(
            "P-521", 2, 521, 0, -3,
            int("00C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D"
                "3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66", 16),
            int("011839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E"
                "662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650", 16),
            (0, 576, 1024),
        ),
        Base(
            "secp256k1", 3, 256, 0, 0,
            0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
            0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
            (0, 256),
        ),
        Base(
            "Curve25519", 4, 255, 486662, 1, 9,
            0x20AE19A1B8A086B4E01EDD2C7748D14C923D4D7E6D7C61B229E9C5A27ECED3D9,
            (0,), has_edwards=True,
        ),
    )
}  # fmt: skip


def coordinates(base: Base, scalars: Limbs) -> Limbs:
    """``out[i, k]`` are the limbs of form k of scalar i; all zero where there is no point.

    Scalars of a curve with an order are in 1..n-1, those of Curve25519 clamped (RFC 7748).
    """
    scalars = np.ascontiguousarray(scalars, np.uint64)
    out = np.zeros((len(scalars), base.forms, base.limbs), np.uint64)
    missed = np.ones(len(scalars), np.uint8)
    loop = native.function(
        "lockgate_fixed_base_multiply", ctypes.c_int, ctypes.c_int, native.POINTER,
        native.POINTER, native.SIZE, ctypes.c_int, native.POINTER, ctypes.c_int, ctypes.c_int,
        native.POINTER, native.POINTER,
    )  # fmt: skip
    if loop is not None and len(scalars) >= _FEW:
        constants, table = _constants(base), _table(base)
        loop(
            base.number, table.ctypes.data, scalars.ctypes.data, len(scalars), base.windows,
            constants.ctypes.data, len(base.exponents), base.has_edwards, out.ctypes.data,
            missed.ctypes.data,
        )  # fmt: skip
    for index in np.flatnonzero(missed).tolist():
        out[index] = _to_limbs(_forms(base, scalars[index].tobytes()), base.limbs)
    return out


def in_range(base: Base, scalars: Limbs) -> NDArray[np.bool_]:
    """Which scalars are in 1..n-1."""
    order = _to_limbs([base.order], base.limbs)[0]
    below = np.zeros(len(scalars), bool)
    for column in range(base.limbs):
        limb = scalars[:, column]
        below = (limb < order[column]) | ((limb == order[column]) & below)
    in_order: NDArray[np.bool_] = below & scalars.any(axis=1)
    return in_order


def _forms(base: Base, scalar: bytes) -> Iterator[int]:
    """All forms of one scalar (little-endian bytes), by ``cryptography``."""
    prime = base.prime
    if base.has_edwards:
        public = X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()
        u = int.from_bytes(public, "little")
        yield u
        yield int((u - 1) * gmpy2.invert(u + 1, prime) % prime)
        return
    curve = ec.CURVES[base.name]
    d = int.from_bytes(scalar, "little")
    if 1 <= d < base.order:
        x = int.from_bytes(ec.public_point(curve, d)[1 : 1 + curve.size], "big")
        yield from ((x << exponent) % prime for exponent in base.exponents)
    else:
        yield from (0 for _ in base.exponents)


def _to_limbs(numbers: Iterable[int], limbs: int) -> Limbs:
    packed = b"".join(int(number).to_bytes(8 * limbs, "little") for number in numbers)
    return np.frombuffer(packed, np.uint64).reshape(-1, limbs)


@cache
def _constants(base: Base) -> Limbs:
    """1 and the middle coefficient in Montgomery form, and the factors of the forms."""
    one = 1 << (64 * base.limbs)
    numbers = (one, base.middle * one, *(1 << exponent for exponent in base.exponents))
    return _to_limbs((number % base.prime for number in numbers), base.limbs)


@cache
def _table(base: Base) -> Limbs:
    """The multiples 1 to 128 of ``2**(8 i) G`` for every window i, in Montgomery form."""
    bases = [n for pair in _window_bases(base) for point in pair for n in point]
    shifted = ((int(n) << (64 * base.limbs)) % base.prime for n in bases)
    packed, constants = _to_limbs(shifted, base.limbs), _constants(base)
    table = np.zeros((base.windows * _WINDOW_ENTRIES * 2, base.limbs), np.uint64)
    build = native.function(
        "lockgate_fixed_base_build", ctypes.c_int, ctypes.c_int, native.POINTER, native.POINTER,
        ctypes.c_int, native.POINTER,
    )  # fmt: skip
    assert build is not None, "one library holds both loops"
    build(
        base.number, table.ctypes.data, packed.ctypes.data, base.windows, constants.ctypes.data
    )  # fmt: skip
    return table


def _window_bases(base: Base) -> Iterator[tuple[_POINT, _POINT]]:
    """``2**(8 i) G`` and its double."""
    point = gmpy2.mpz(base.x), gmpy2.mpz(base.y)
    for _ in range(base.windows):
        double = _double(base, point)
        yield point, double
        point = double
        for _ in range(_WINDOW_BITS - 1):
            point = _double(base, point)


def _double(base: Base, point: _POINT) -> _POINT:
    x, y = point
    rise = 3 * x * x + 2 * base.middle * x + base.linear
    slope = rise * gmpy2.invert(2 * y, base.prime) % base.prime
    new = (slope * slope - base.middle - 2 * x) % base.prime
    return new, (slope * (x - new) - y) % base.prime
