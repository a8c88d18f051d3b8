"""The key types of openssh-key-v1: their private fields, their public blobs.

Field orders are those of OpenSSH's ``sshkey_private_serialize`` and RFC 4253, 5656, 8709.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lockgate.scan.prove import dsa, ec, edwards, rsa
from lockgate.scan.prove.ssh_fields import Fields
from lockgate.scan.report import Proof


@dataclass(frozen=True, slots=True)
class ShownKey:
    """The public half of a key; ``proof`` is empty for a public blob."""

    algorithm: str
    bits: int
    fingerprint: str
    proof: tuple[Proof, ...] = ()


def _rsa_private(fields: Fields) -> ShownKey | None:
    n, e, d, qinv, p, q = (fields.integer() for _ in range(6))
    if n is None or e is None:
        return None
    key = rsa.recover(rsa.RsaNumbers(n, e, d, p, q, None, None, qinv))
    if key is None:
        return None
    return ShownKey("RSA", key.n.bit_length(), rsa.fingerprint(key.n, key.e), key.proof)


def _rsa_public(fields: Fields) -> ShownKey | None:
    e, n = fields.integer(), fields.integer()
    if e is None or n is None or not n:
        return None
    return ShownKey("RSA", n.bit_length(), rsa.fingerprint(n, e))


def _dsa_private(fields: Fields) -> ShownKey | None:
    p, q, g, y, x = (fields.integer() for _ in range(5))
    if p is None or q is None or g is None or y is None or x is None:
        return None
    proof = dsa.prove(dsa.DsaNumbers(p, q, g, x, y))
    return ShownKey("DSA", p.bit_length(), dsa.fingerprint(p, q, g, y), proof) if proof else None


def _dsa_public(fields: Fields) -> ShownKey | None:
    p, q, g, y = (fields.integer() for _ in range(4))
    if p is None or q is None or g is None or y is None:
        return None
    return ShownKey("DSA", p.bit_length(), dsa.fingerprint(p, q, g, y))


def _ec_private(curve: ec.Curve) -> Callable[[Fields], ShownKey | None]:
    def read(fields: Fields) -> ShownKey | None:
        _, stored, d = fields.string(), fields.string(), fields.integer()
        if d is None or not 1 <= d < curve.order:
            return None
        point = ec.public_point(curve, d)
        if not ec.same_point(curve, point, stored):
            return None
        proof = (Proof.EC_PUBLIC_POINT,)
        return ShownKey(f"EC {curve.name}", curve.bits, ec.fingerprint(curve, point), proof)

    return read


def _ec_public(curve: ec.Curve) -> Callable[[Fields], ShownKey | None]:
    def read(fields: Fields) -> ShownKey | None:
        _, point = fields.string(), fields.string()
        if fields.cut() or len(point) != 1 + 2 * curve.size:
            return None
        return ShownKey(f"EC {curve.name}", curve.bits, ec.fingerprint(curve, point))

    return read


def _ed_private(name: str) -> Callable[[Fields], ShownKey | None]:
    algorithm = edwards.ALGORITHMS[name]

    def read(fields: Fields) -> ShownKey | None:
        stored, secret = fields.string(), fields.string()
        if len(secret) < algorithm.size:
            return None
        public = edwards.public_key(name, secret[: algorithm.size])
        if public not in {stored, secret[algorithm.size :]}:
            return None
        fingerprint = edwards.fingerprint(name, public)
        return ShownKey(name, algorithm.bits, fingerprint, (Proof.ED_PUBLIC_KEY,))

    return read


def _ed_public(name: str) -> Callable[[Fields], ShownKey | None]:
    def read(fields: Fields) -> ShownKey | None:
        public = fields.string()
        if fields.cut():
            return None
        return ShownKey(name, edwards.ALGORITHMS[name].bits, edwards.fingerprint(name, public))

    return read


_NIST = {"nistp256": "P-256", "nistp384": "P-384", "nistp521": "P-521"}

#: Key type to the reader of its private fields.
PRIVATE: dict[bytes, Callable[[Fields], ShownKey | None]] = {
    b"ssh-rsa": _rsa_private,
    b"ssh-dss": _dsa_private,
    b"ssh-ed25519": _ed_private("Ed25519"),
    b"ssh-ed448": _ed_private("Ed448"),
    **{f"ecdsa-sha2-{s}".encode(): _ec_private(ec.CURVES[c]) for s, c in _NIST.items()},
}

_PUBLIC: dict[bytes, Callable[[Fields], ShownKey | None]] = {
    b"ssh-rsa": _rsa_public,
    b"ssh-dss": _dsa_public,
    b"ssh-ed25519": _ed_public("Ed25519"),
    b"ssh-ed448": _ed_public("Ed448"),
    **{f"ecdsa-sha2-{s}".encode(): _ec_public(ec.CURVES[c]) for s, c in _NIST.items()},
}


def read_public(blob: bytes) -> ShownKey | None:
    """The public key of a blob, None when its type is unknown or it is not whole."""
    fields = Fields(blob)
    read = _PUBLIC.get(fields.string())
    return None if read is None else read(fields)
