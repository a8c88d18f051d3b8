"""Post-quantum private keys: ML-KEM (FIPS 203), ML-DSA (FIPS 204), SLH-DSA (FIPS 205).

Rules enforced here:

1. A seed is any bytes of exact length: its public key is derived, and proves nothing by itself.
2. An expanded ML-KEM key carries its public key and the SHA3-256 of it, and an SLH-DSA key its
   public key: the first is proof by itself.
3. What this version of the library cannot derive is None, for the caller to leave undecided.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from lockgate.scan.prove import der
from lockgate.scan.report import Proof

_NIST_ALGORITHMS = bytes.fromhex("060960864801650304")  # 2.16.840.1.101.3.4
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One parameter set. Sizes in bytes; ``seed`` 0: it has no seed form.

    ``bits`` is the security strength that the standard names for it.
    """

    name: str
    bits: int
    oid: bytes
    seed: int
    expanded: int
    public: int


@dataclass(frozen=True, slots=True)
class Derived:
    """A public key, and what proves that the private one belongs to it; empty: its place only."""

    public: bytes
    proof: tuple[Proof, ...]


def _oid(family: int, number: int) -> bytes:
    return _NIST_ALGORITHMS + bytes((family, number))


_SLH_SIZES = {128: 64, 192: 96, 256: 128}
#: RFC 9881, RFC 9935, RFC 9909: object identifiers and sizes.
ALGORITHMS = (
    Algorithm("ML-KEM-512", 128, _oid(4, 1), 64, 1632, 800),
    Algorithm("ML-KEM-768", 192, _oid(4, 2), 64, 2400, 1184),
    Algorithm("ML-KEM-1024", 256, _oid(4, 3), 64, 3168, 1568),
    Algorithm("ML-DSA-44", 128, _oid(3, 17), 32, 2560, 1312),
    Algorithm("ML-DSA-65", 192, _oid(3, 18), 32, 4032, 1952),
    Algorithm("ML-DSA-87", 256, _oid(3, 19), 32, 4896, 2592),
    *(
        Algorithm(f"SLH-DSA-{hash_}-{bits}{speed}", bits, _oid(3, number), 0, size, size // 2)
        for number, (hash_, bits, speed, size) in enumerate(
            (
                (hash_, bits, speed, size)
                for hash_ in ("SHA2", "SHAKE")
                for bits, size in _SLH_SIZES.items()
                for speed in ("s", "f")
            ),
            start=20,
        )
    ),
)


def algorithm_by_oid(oid: bytes) -> Algorithm | None:
    """The parameter set that a complete OBJECT IDENTIFIER element names."""
    return next((a for a in ALGORITHMS if a.oid == oid), None)


def fingerprint(algorithm: Algorithm, public: bytes) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo; the parameters are absent."""
    return der.public_key_fingerprint(der.encode(der.SEQUENCE, algorithm.oid), public)


def from_seed(algorithm: Algorithm, seed: bytes) -> Derived | None:
    """What a seed of exact length derives; None when the library cannot."""
    private = _private_class(algorithm)
    if private is None or len(seed) != algorithm.seed:
        return None
    public = private.from_seed_bytes(seed).public_key().public_bytes_raw()
    return Derived(public, ())


def from_expanded(algorithm: Algorithm, secret: bytes) -> Derived | None:
    """The public key inside an expanded private key; None when it is not there or not proven."""
    if len(secret) != algorithm.expanded:
        return None
    if algorithm.name.startswith("ML-KEM"):
        end = len(secret) - 2 * _HASH_BYTES
        public = secret[end - algorithm.public : end]
        if hashlib.sha3_256(public).digest() != secret[end : end + _HASH_BYTES]:
            return None
        return Derived(public, (Proof.PQC_RELATION,))
    if algorithm.name.startswith("SLH-DSA"):
        return Derived(secret[-algorithm.public :], ())
    return None


def shares_public(algorithm: Algorithm, expanded: bytes, public: bytes) -> bool:
    """Whether an expanded key carries what ``public`` says: ek, or the rho of FIPS 204."""
    if len(expanded) != algorithm.expanded:
        return False
    if algorithm.name.startswith("ML-DSA"):
        return expanded[:_HASH_BYTES] == public[:_HASH_BYTES]
    return public in expanded


def _private_class(algorithm: Algorithm) -> Any:
    """The class that derives, None: versions of the library differ in what they offer."""
    name = algorithm.name.replace("-", "") + "PrivateKey"
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem
    except ImportError:
        return None
    return getattr(mldsa, name, None) or getattr(mlkem, name, None)
