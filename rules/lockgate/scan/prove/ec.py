"""Elliptic-curve keys over prime fields (SEC 1, FIPS 186-5, RFC 5639).

Rules enforced here:

1. A scalar counts when 1 <= d < n; the public point is always derived from it.
2. The fingerprint is that of the named curve with the uncompressed point (RFC 5480).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockgate.scan.prove import der
from lockgate.scan.prove.primes import FIELDS, ORDERS

_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")


@dataclass(frozen=True, slots=True)
class Curve:
    """A named curve: ``oid`` is the complete DER element, ``size`` the bytes of a coordinate."""

    name: str
    bits: int
    order: int
    prime: int
    oid: bytes
    make: Callable[[], ec.EllipticCurve] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of one coordinate (SEC 1, section 2.3.5)."""
        return (self.bits + 7) // 8


def _curve(name: str, bits: int, oid: str, make: Callable[[], ec.EllipticCurve]) -> Curve:
    return Curve(name, bits, ORDERS[name], FIELDS[name], bytes.fromhex(oid), make)


#: Every curve whose keys are proven, the usual ones first.
CURVES: dict[str, Curve] = {
    curve.name: curve
    for curve in (
        _curve("P-256", 256, "06082a8648ce3d030107", ec.SECP256R1),
        _curve("P-384", 384, "06052b81040022", ec.SECP384R1),
        _curve("P-521", 521, "06052b81040023", ec.SECP521R1),
        _curve("secp256k1", 256, "06052b8104000a", ec.SECP256K1),
        _curve("P-224", 224, "06052b81040021", ec.SECP224R1),
        _curve("P-192", 192, "06082a8648ce3d030101", ec.SECP192R1),
        _curve("brainpoolP256r1", 256, "06092b2403030208010107", ec.BrainpoolP256R1),
        _curve("brainpoolP384r1", 384, "06092b240303020801010b", ec.BrainpoolP384R1),
        _curve("brainpoolP512r1", 512, "06092b240303020801010d", ec.BrainpoolP512R1),
    )
}


def public_point(curve: Curve, d: int) -> bytes:
    """The uncompressed point ``d * G`` (SEC 1, section 2.3.3).

    Raises:
        ValueError: ``d`` is not in 1..n-1.
    """
    if not 1 <= d < curve.order:
        raise ValueError("the scalar is outside 1..n-1")
    public = ec.derive_private_key(d, curve.make()).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def same_point(curve: Curve, uncompressed: bytes, encoded: bytes) -> bool:
    """Whether ``encoded`` (compressed, hybrid or not) is the point ``uncompressed``."""
    x = uncompressed[1 : 1 + curve.size]
    parity = uncompressed[-1] & 1
    compressed = bytes((2 | parity,)) + x
    hybrid = bytes((6 | parity,)) + uncompressed[1:]
    return encoded in {uncompressed, compressed, hybrid}


def fingerprint(curve: Curve, point: bytes) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo with the uncompressed ``point``."""
    return der.public_key_fingerprint(der.encode(der.SEQUENCE, _EC_PUBLIC_KEY, curve.oid), point)


def curve_by_oid(oid: bytes) -> Curve | None:
    """The curve that a complete OBJECT IDENTIFIER element names."""
    return next((c for c in CURVES.values() if c.oid == oid), None)


def curve_by_prime(prime: int) -> Curve | None:
    """The curve over this field, for keys that spell their parameters out (RFC 3279)."""
    return next((c for c in CURVES.values() if c.prime == prime), None)
