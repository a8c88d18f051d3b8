"""ElGamal (as OpenPGP and Libgcrypt use it): ``g^x = y`` modulo a prime p."""

from __future__ import annotations

import gmpy2

from lockgate.scan.prove import der
from lockgate.scan.report import Proof

_OID = bytes.fromhex("06062b0e07020101")  # elGamal, 1.3.14.7.2.1.1 (OIW)
_MIN_P_BITS = 512


def prove(p: int, g: int, y: int, x: int) -> tuple[Proof, ...]:
    """``dh-relation`` when ``x`` is the private key of ``y``; else empty.

    The power is taken only for plausible numbers: it costs milliseconds. A generator of 0, 1
    or p - 1 would fit too many keys.
    """
    if p.bit_length() < _MIN_P_BITS or not p & 1 or not 1 < g < p - 1:
        return ()
    if not (1 < y < p - 1 and 1 < x < p) or gmpy2.powmod(g, x, p) != y:
        return ()
    return (Proof.DH_RELATION,) if gmpy2.is_prime(p) else ()


def fingerprint(p: int, g: int, y: int) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo with the OIW identifier, p and g."""
    parameters = der.encode(der.SEQUENCE, *map(der.encode_integer, (p, g)))
    algorithm = der.encode(der.SEQUENCE, _OID, parameters)
    return der.public_key_fingerprint(algorithm, der.encode_integer(y))
