"""A protected key: the public half of a key that must never leave, and what to search for.

Rules enforced here:

1. Only public halves enter, and of a symmetric secret what gives nothing of it away.
2. Whatever an encoding says of padding or hash, an RSA key has one fingerprint
   (``lockgate.scan.prove.rsa``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric import dsa as pyca_dsa
from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockgate.scan.prove import dsa, ec, edwards, rsa

_RawKey = Ed25519PublicKey | X25519PublicKey | Ed448PublicKey | X448PublicKey
_PublicKey = RSAPublicKey | pyca_ec.EllipticCurvePublicKey | pyca_dsa.DSAPublicKey | _RawKey

_RAW_KEYS: dict[str, type[_RawKey]] = {
    "Ed25519": Ed25519PublicKey,
    "X25519": X25519PublicKey,
    "Ed448": Ed448PublicKey,
    "X448": X448PublicKey,
}


class UnsupportedKeyError(ValueError):
    """A public key of an algorithm or curve that no prover knows."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """By what a symmetric secret is looked for (``lockgate.scan.secrets``): length and tag."""

    length: int
    tag: int


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What people wrote down of a key; no scan reads it.

    ``zones`` are those where the key may be (none: nothing is said of it), ``signs`` what it is
    for, ``made`` the day on which it was made, ``on_leak`` what to do when it leaks, ``hooks``
    the names of the controller's response hooks that run then.
    """

    owner: str = ""
    zones: tuple[str, ...] = ()
    signs: str = ""
    made: date | None = None
    on_leak: str = ""
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtectedKey:
    """One entry of the registry.

    ``spki`` is the SubjectPublicKeyInfo DER, ``anchor`` that of a symmetric secret; both None
    when only the fingerprint is known (such a key is recognised when found, but cannot be
    searched for). ``rsa`` is (n, e) of RSA keys;
    ``public_values`` are the byte strings by which the public half is known in memory.
    """

    name: str
    fingerprint: str
    algorithm: str = ""
    bits: int = 0
    spki: bytes | None = None
    rsa: tuple[int, int] | None = None
    public_values: tuple[bytes, ...] = ()
    anchor: Anchor | None = None
    record: KeyRecord = KeyRecord()

    @property
    def is_searchable(self) -> bool:
        """Whether more than the fingerprint is known."""
        return self.spki is not None or self.anchor is not None


def protected_key(name: str, key: object) -> ProtectedKey:
    """The entry for a public key object of ``cryptography``.

    Raises:
        UnsupportedKeyError: the key is of an algorithm or curve that no prover knows.
    """
    match key:
        case RSAPublicKey():
            return _rsa(name, key)
        case pyca_ec.EllipticCurvePublicKey():
            return _ec(name, key)
        case pyca_dsa.DSAPublicKey():
            return _dsa(name, key)
    for algorithm, kind in _RAW_KEYS.items():
        if isinstance(key, kind):
            return _raw(name, algorithm, key)
    raise UnsupportedKeyError("of an algorithm that is not supported")


def _spki(key: _PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _rsa(name: str, key: RSAPublicKey) -> ProtectedKey:
    numbers = key.public_numbers()
    n, e = numbers.n, numbers.e
    return ProtectedKey(
        name, rsa.fingerprint(n, e), "RSA", n.bit_length(), _spki(key), (n, e),
        (n.to_bytes((n.bit_length() + 7) // 8, "big"),),
    )  # fmt: skip


def _ec(name: str, key: pyca_ec.EllipticCurvePublicKey) -> ProtectedKey:
    curve = next((c for c in ec.CURVES.values() if c.make().name == key.curve.name), None)
    if curve is None:
        raise UnsupportedKeyError(f"on the curve {key.curve.name}, which is not supported")
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return ProtectedKey(
        name, ec.fingerprint(curve, point), f"EC {curve.name}", curve.bits, _spki(key),
        public_values=(point, point[1 : 1 + curve.size]),
    )  # fmt: skip


def _dsa(name: str, key: pyca_dsa.DSAPublicKey) -> ProtectedKey:
    numbers = key.public_numbers()
    group, y = numbers.parameter_numbers, numbers.y
    return ProtectedKey(
        name, dsa.fingerprint(group.p, group.q, group.g, y), "DSA", group.p.bit_length(),
        _spki(key), public_values=(y.to_bytes((y.bit_length() + 7) // 8, "big"),),
    )  # fmt: skip


def _raw(name: str, algorithm: str, key: _RawKey) -> ProtectedKey:
    public, bits = key.public_bytes_raw(), edwards.ALGORITHMS[algorithm].bits
    fingerprint = edwards.fingerprint(algorithm, public)
    return ProtectedKey(name, fingerprint, algorithm, bits, _spki(key), public_values=(public,))
