"""Finite-field Diffie-Hellman (PKCS #3, RFC 2631): a private value in a proven group."""

from __future__ import annotations

import gmpy2

from lockgate.scan.prove import der

_MIN_BITS = 512
#: A shorter private value is no key anybody uses, and small numbers are everywhere.
_LEAST_SECRET_BITS = 120


def proves(p: int, g: int, x: int) -> bool:
    """Whether p is a prime of a group's size, g generates in it, and x could be a private key."""
    if p.bit_length() < _MIN_BITS or not 1 < g < p - 1:
        return False
    if not _LEAST_SECRET_BITS <= x.bit_length() <= p.bit_length() or x >= p - 1:
        return False
    return bool(gmpy2.is_prime(p))


def fingerprint(oid: bytes, parameters: bytes, y: int) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo with its parameters."""
    algorithm = der.encode(der.SEQUENCE, oid, parameters)
    return der.public_key_fingerprint(algorithm, der.encode_integer(y))
