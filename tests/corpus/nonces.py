"""Whether a proven EC scalar is the nonce of a signature that the program made.

An ECDSA nonce k looks exactly like a key: its point R = k * G gives r, which stands in memory as
part of the signature. It is one if s = (z + r * d) / k (FIPS 186-5, section 6.4) for the message
that the programs of the corpus sign, and that s stands in the same file.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from brute import Patterns
from cryptography.hazmat.primitives.asymmetric import ec
from forms import number_forms
from keys import CURVES, Key, of

_ORDERS = {
    "p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
}
#: What the programs sign: "message" by SHA-256 or, python-ecdsa's default, SHA-1; or a block of
#: bytes that stands for a digest.
_DIGESTS = (
    hashlib.sha256(b"message").digest(),
    hashlib.sha1(b"message").digest(),
    b"digest of a message".ljust(32, b"\0"),
    b"a digest of thirty-two bytes, so",
    b"digest".ljust(6, b"\0"),
)


def is_nonce(path: Path, offset: int, fingerprint: str, key: Key) -> bool:
    """Whether the 32 bytes at ``offset`` are a nonce used with ``key``; either byte order."""
    order = _ORDERS.get(key.kind)
    if order is None:
        return False
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(32)
    scalars = {int.from_bytes(content, "little"), int.from_bytes(content, "big")}
    return any(_made(path, k, fingerprint, key, order) for k in scalars if 0 < k < order)


def _made(path: Path, k: int, fingerprint: str, key: Key, order: int) -> bool:
    point = of(ec.derive_private_key(k, CURVES[key.kind]))
    if point.fingerprint != fingerprint:
        return False
    r, d = point.numbers["x"][0] % order, key.numbers["d"][0]
    wanted = {}
    for number, digest in enumerate(_DIGESTS):
        s = pow(k, -1, order) * (int.from_bytes(digest, "big") + r * d) % order
        for value in (s, order - s):
            forms = number_forms(value, 32)
            wanted |= {f"{number} {value == s} {name}": c for name, c in forms.items()}
    return bool(Patterns(wanted).find(path))
