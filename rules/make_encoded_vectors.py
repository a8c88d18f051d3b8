"""Make the vectors of bytes written as text: fresh test keys, cut ones, certificate requests.

Usage::

    python rules/make_encoded_vectors.py

Needs openssl. Writes ``lockgate/formats/<name>/vectors/{positive,damaged,look-alike}-*.bin``.
Every key is made for this purpose and protects nothing. The vectors are not part of the wheel.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from make_vectors import write

_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.encodebytes,
    "hexadecimal": lambda data: data.hex(":").encode("ascii"),
    "decimal": lambda data: str(list(data)).encode("ascii"),
    "literal": lambda data: repr(data).encode("ascii"),
}


def _der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(ser.Encoding.DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())


def _text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What ``openssl pkey -text -noout`` prints."""
    command = ["openssl", "pkey", "-inform", "DER", "-text", "-noout"]
    return subprocess.run(command, input=_der(key), capture_output=True, check=True).stdout


def vectors() -> dict[str, dict[str, bytes]]:
    """Format name to vector name to bytes."""
    ec_key = ec.generate_private_key(ec.SECP256R1())
    cut = _der(rsa.generate_private_key(65537, 2048))[:700]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(ec_key, hashes.SHA256()).public_bytes(ser.Encoding.DER)
    text = _text(ec_key)
    encoded = {
        name: {
            "positive-p256": encode(_der(ec_key)),
            "damaged-cut": encode(cut),
            "look-alike-request": encode(request),
        }
        for name, encode in _ENCODINGS.items()
    }
    spelled = {
        "positive-p256": text,
        "damaged-cut": text[: text.index(b"pub:")],
        "look-alike-public": text.replace(b"priv:", b"hash:"),
    }
    return {**encoded, "spelled": spelled}


if __name__ == "__main__":
    write(vectors(), Path(__file__).name)
