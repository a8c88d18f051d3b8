"""Ed25519, Ed448 (RFC 8032), X25519 and X448 (RFC 7748): any seed of exact length is a key.

Because every seed is valid, deriving a public key proves nothing by itself; what proves is
that the derived key stands somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from lockgate.scan.prove import der
from lockgate.scan.prove.primes import FIELDS

#: Extended coordinates X, Y, Z, T.
_Point = tuple[int, int, int, int]
_FIELD = FIELDS["Curve25519"]
#: edwards25519: -x^2 + y^2 = 1 + d x^2 y^2, and its base point (RFC 8032, section 5.1).
_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 4 * pow(5, -1, _FIELD) % _FIELD


@dataclass(frozen=True, slots=True)
class SeedAlgorithm:
    """One algorithm: ``size`` bytes of seed; ``oid`` is the complete DER element (RFC 8410)."""

    name: str
    bits: int
    size: int
    oid: bytes
    derive: Callable[[bytes], bytes] = field(repr=False)


def _ed25519(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _ed448(seed: bytes) -> bytes:
    return Ed448PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _x25519(seed: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _x448(seed: bytes) -> bytes:
    return X448PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


ALGORITHMS: dict[str, SeedAlgorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        SeedAlgorithm("Ed25519", 256, 32, bytes.fromhex("06032b6570"), _ed25519),
        SeedAlgorithm("X25519", 256, 32, bytes.fromhex("06032b656e"), _x25519),
        SeedAlgorithm("Ed448", 456, 57, bytes.fromhex("06032b6571"), _ed448),
        SeedAlgorithm("X448", 448, 56, bytes.fromhex("06032b656f"), _x448),
    )
}


def public_key(algorithm: str, seed: bytes) -> bytes:
    """The raw public key of a seed.

    Raises:
        KeyError: no such algorithm.
        ValueError: the seed has the wrong length.
    """
    return ALGORITHMS[algorithm].derive(seed)


def public_key_of_scalar(scalar: bytes) -> bytes:
    """The Ed25519 public key of the first half of an expanded key (RFC 8032, section 5.1.5).

    Slow (milliseconds): for the few that are proven otherwise.
    """
    a = (int.from_bytes(scalar, "little") & ((1 << 255) - 8)) | 1 << 254
    x, y = _multiple(a)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _multiple(a: int) -> tuple[int, int]:
    """``a * B`` on edwards25519, in affine coordinates (RFC 8032, section 5.1.4)."""
    total, power = (0, 1, 1, 0), (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _FIELD)
    while a:
        if a & 1:
            total = _sum(total, power)
        power = _sum(power, power)
        a >>= 1
    inverse = pow(total[2], -1, _FIELD)
    return total[0] * inverse % _FIELD, total[1] * inverse % _FIELD


def _sum(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0])
    b = (p[1] + p[0]) * (q[1] + q[0])
    c = 2 * p[3] * q[3] * _D
    d = 2 * p[2] * q[2]
    e, f, g, h = (n % _FIELD for n in (b - a, d - c, d + c, b + a))
    return e * f % _FIELD, g * h % _FIELD, f * g % _FIELD, e * h % _FIELD


def fingerprint(algorithm: str, public: bytes) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo (RFC 8410, section 4).

    Raises:
        KeyError: no such algorithm.
    """
    oid = ALGORITHMS[algorithm].oid
    return der.public_key_fingerprint(der.encode(der.SEQUENCE, oid), public)


def algorithm_by_oid(oid: bytes) -> SeedAlgorithm | None:
    """The algorithm that a complete OBJECT IDENTIFIER element names."""
    return next((a for a in ALGORITHMS.values() if a.oid == oid), None)
