"""The keys that the producers use: made fresh, with every part known.

Nothing of lockgate is imported anywhere in this folder; its command is started, no more. A key
is known by its fingerprint: ``sha256:`` of its SubjectPublicKeyInfo (RFC 5280), and for a
symmetric key of the key itself.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
#: The field primes (SEC 2).
PRIMES = {
    "p256": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "p384": 2**384 - 2**128 - 2**96 + 2**32 - 1,
    "p521": 2**521 - 1,
    "secp256k1": 2**256 - 2**32 - 977,
}
_RAW_FORMATS = (ser.Encoding.Raw, ser.PrivateFormat.Raw, ser.NoEncryption())
_EDWARDS: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey,
    "x25519": x25519.X25519PrivateKey,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key with all its parts.

    ``numbers``: integers, each with its size in bytes. ``strings``: byte strings of one order.
    ``encodings``: complete private forms in DER. ``public`` names the parts that are no secret.
    ``private`` is the object of ``cryptography``, None for a symmetric key.
    """

    kind: str
    fingerprint: str
    spki: bytes
    public: frozenset[str]
    numbers: dict[str, tuple[int, int]] = field(repr=False)
    strings: dict[str, bytes] = field(repr=False)
    encodings: dict[str, bytes] = field(repr=False)
    private: Any = field(repr=False)

    @property
    def family(self) -> str:
        """``rsa``, ``ec``, ``ed`` (Ed25519 and X25519) or ``aes``."""
        if self.kind in CURVES:
            return "ec"
        return "ed" if self.kind in _EDWARDS else self.kind[:3]

    @property
    def is_symmetric(self) -> bool:
        """Whether there is no public half."""
        return not self.spki

    @property
    def raw(self) -> bytes:
        """The bare secret: scalar big-endian, seed, or symmetric key."""
        if self.family == "ec":
            value, size = self.numbers["d"]
            return value.to_bytes(size, "big")
        return self.strings["key" if self.family == "aes" else "seed"]


def generate(kind: str) -> Key:
    """A fresh key: ``rsa<bits>``, a curve, ``ed25519``, ``x25519`` or ``aes<bits>``."""
    if kind.startswith("aes"):
        return symmetric(os.urandom(int(kind[3:]) // 8))
    if kind.startswith("rsa"):
        return of(rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:])))
    if kind in CURVES:
        return of(ec.generate_private_key(CURVES[kind]))
    return of(_EDWARDS[kind].generate())


def load(pem: bytes) -> Key:
    """The key of a PEM file."""
    return of(ser.load_pem_private_key(pem, password=None))


def symmetric(secret: bytes) -> Key:
    """An AES key."""
    return Key(
        kind=f"aes{len(secret) * 8}",
        fingerprint="sha256:" + hashlib.sha256(secret).hexdigest(),
        spki=b"",
        public=frozenset(),
        numbers={},
        strings={"key": secret},
        encodings={},
        private=None,
    )


def of(private: Any) -> Key:
    """The key that an object of ``cryptography`` holds."""
    spki = private.public_key().public_bytes(
        ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
    )
    kind, public, numbers, strings = _parts(private)
    return Key(
        kind=kind,
        fingerprint="sha256:" + hashlib.sha256(spki).hexdigest(),
        spki=spki,
        public=frozenset(public),
        numbers=numbers,
        strings=strings,
        encodings=_encodings(private),
        private=private,
    )


def _encodings(private: Any) -> dict[str, bytes]:
    forms = {"pkcs8": ser.PrivateFormat.PKCS8}
    if isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        name = "pkcs1" if isinstance(private, rsa.RSAPrivateKey) else "sec1"
        forms[name] = ser.PrivateFormat.TraditionalOpenSSL
    return {
        name: private.private_bytes(ser.Encoding.DER, form, ser.NoEncryption())
        for name, form in forms.items()
    }


def _parts(private: Any) -> tuple[str, set[str], dict[str, tuple[int, int]], dict[str, bytes]]:
    if isinstance(private, rsa.RSAPrivateKey):
        return f"rsa{private.key_size}", {"n"}, _rsa_numbers(private), {}
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return _curve_of(private), {"x", "y"}, _ec_numbers(private), {}
    seed = private.private_bytes(*_RAW_FORMATS)
    public = private.public_key().public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw)
    strings = {"seed": seed, "public": public}
    if isinstance(private, ed25519.Ed25519PrivateKey):
        # The scalar of RFC 8032, section 5.1.5.
        strings["scalar"] = _clamped(hashlib.sha512(seed).digest()[:32])
        return "ed25519", {"public"}, {}, strings
    return "x25519", {"public"}, {}, strings | {"scalar": _clamped(seed)}


def _clamped(scalar: bytes) -> bytes:
    return bytes([scalar[0] & 248]) + scalar[1:31] + bytes([scalar[31] & 127 | 64])


def _rsa_numbers(private: rsa.RSAPrivateKey) -> dict[str, tuple[int, int]]:
    values = private.private_numbers()
    whole = private.key_size // 8
    half = whole // 2
    euler = (values.p - 1) * (values.q - 1)
    e = values.public_numbers.e
    return {
        "n": (values.public_numbers.n, whole),
        "d": (values.d, whole),
        "d_euler": (pow(e, -1, euler), whole),
        "p": (values.p, half),
        "q": (values.q, half),
        "dp": (values.dmp1, half),
        "dq": (values.dmq1, half),
        "qi": (values.iqmp, half),
        "pi": (pow(values.p, -1, values.q), half),
    }


def _curve_of(private: ec.EllipticCurvePrivateKey) -> str:
    return next(name for name, curve in CURVES.items() if curve.name == private.curve.name)


def _ec_numbers(private: ec.EllipticCurvePrivateKey) -> dict[str, tuple[int, int]]:
    values = private.private_numbers()
    size = (private.key_size + 7) // 8
    point = values.public_numbers
    return {"d": (values.private_value, size), "x": (point.x, size), "y": (point.y, size)}
