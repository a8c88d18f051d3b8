"""DSA (FIPS 186-4): ``g^x = y`` modulo p, with q dividing p - 1."""

from __future__ import annotations

from dataclasses import dataclass, field

import gmpy2

from lockgate.scan.prove import der
from lockgate.scan.report import Proof

_OID = bytes.fromhex("06072a8648ce380401")
_MIN_P_BITS, _MIN_Q_BITS = 512, 160


@dataclass(frozen=True, slots=True)
class DsaNumbers:
    """Domain parameters and the private key; ``y`` is None where the encoding leaves it out."""

    p: int
    q: int
    g: int
    x: int = field(repr=False)
    y: int | None = None


def prove(numbers: DsaNumbers) -> tuple[Proof, ...]:
    """``dsa-relation`` when x is the private key of y in a real DSA group; else empty."""
    p, q, g, x = numbers.p, numbers.q, numbers.g, numbers.x
    if p.bit_length() < _MIN_P_BITS or q.bit_length() < _MIN_Q_BITS or not p & q & 1:
        return ()
    if (p - 1) % q or not 0 < x < q or not 1 < g < p:
        return ()
    if not gmpy2.is_prime(q) or gmpy2.powmod(g, q, p) != 1:
        return ()
    if numbers.y is not None and public_value(numbers) != numbers.y:
        return ()
    return (Proof.DSA_RELATION,)


def public_value(numbers: DsaNumbers) -> int:
    """``g^x mod p``."""
    return int(gmpy2.powmod(numbers.g, numbers.x, numbers.p))


def fingerprint(p: int, q: int, g: int, y: int) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo with its parameters (RFC 3279, section 2.3.2)."""
    parameters = der.encode(der.SEQUENCE, *map(der.encode_integer, (p, q, g)))
    algorithm = der.encode(der.SEQUENCE, _OID, parameters)
    return der.public_key_fingerprint(algorithm, der.encode_integer(y))
