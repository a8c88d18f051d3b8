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
