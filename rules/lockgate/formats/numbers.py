"""From the numbers of one key, whatever format they stood in, to its shown public half.

Rules enforced here:

1. Without proof there is no shown private key; a public half alone has an empty proof.
"""

from __future__ import annotations

from lockgate.scan.prove import dsa, ec, edwards, elgamal, rsa
from lockgate.scan.prove.ssh_keys import ShownKey
from lockgate.scan.report import Proof


def rsa_public(n: int, e: int) -> ShownKey:
    """The public half of an RSA key."""
    return ShownKey("RSA", n.bit_length(), rsa.fingerprint(n, e))


def rsa_private(numbers: rsa.RsaNumbers) -> ShownKey | None:
    """The RSA key that the numbers prove."""
    key = rsa.recover(numbers)
    if key is None:
        return None
    return ShownKey("RSA", key.n.bit_length(), rsa.fingerprint(key.n, key.e), key.proof)


def dsa_public(p: int, q: int, g: int, y: int) -> ShownKey:
    """The public half of a DSA key."""
    return ShownKey("DSA", p.bit_length(), dsa.fingerprint(p, q, g, y))


def dsa_private(p: int, q: int, g: int, y: int, x: int) -> ShownKey | None:
    """The DSA key that the numbers prove."""
    proof = dsa.prove(dsa.DsaNumbers(p, q, g, x, y)) if p and q else ()
    return ShownKey("DSA", p.bit_length(), dsa.fingerprint(p, q, g, y), proof) if proof else None


def elgamal_public(p: int, g: int, y: int) -> ShownKey:
    """The public half of an ElGamal key."""
    return ShownKey("ElGamal", p.bit_length(), elgamal.fingerprint(p, g, y))


def elgamal_private(p: int, g: int, y: int, x: int) -> ShownKey | None:
    """The ElGamal key that the numbers prove."""
    proof = elgamal.prove(p, g, y, x)
    fingerprint = elgamal.fingerprint(p, g, y)
    return ShownKey("ElGamal", p.bit_length(), fingerprint, proof) if proof else None


def ec_public(curve: ec.Curve, point: bytes) -> ShownKey | None:
    """The public half of a key whose point is written uncompressed."""
    if len(point) != 1 + 2 * curve.size or point[0] != 4:
        return None
    return ShownKey(f"EC {curve.name}", curve.bits, ec.fingerprint(curve, point))


def ec_private(curve: ec.Curve, d: int, stored: bytes) -> ShownKey | None:
    """The key on a curve whose scalar gives the stored point."""
    if not 1 <= d < curve.order:
        return None
    point = ec.public_point(curve, d)
    if not ec.same_point(curve, point, stored):
        return None
    fingerprint = ec.fingerprint(curve, point)
    return ShownKey(f"EC {curve.name}", curve.bits, fingerprint, (Proof.EC_PUBLIC_POINT,))


def ed_public(name: str, public: bytes) -> ShownKey | None:
    """The public half of an Edwards or Montgomery key; None when it has another length."""
    algorithm = edwards.ALGORITHMS[name]
    if len(public) != len(algorithm.derive(bytes(algorithm.size))):
        return None
    return ShownKey(name, algorithm.bits, edwards.fingerprint(name, public))


def ed_private(name: str, seed: bytes, stored: bytes) -> ShownKey | None:
    """The Edwards or Montgomery key whose seed gives the stored public key."""
    algorithm = edwards.ALGORITHMS[name]
    if len(seed) != algorithm.size or edwards.public_key(name, seed) != stored:
        return None
    fingerprint = edwards.fingerprint(name, stored)
    return ShownKey(name, algorithm.bits, fingerprint, (Proof.ED_PUBLIC_KEY,))
