"""Make the vectors of every key format: fresh test keys, damaged keys, look-alikes.

Usage::

    python rules/make_vectors.py

Writes ``lockgate/formats/<name>/vectors/{positive,damaged,look-alike}-*.bin``. Every key is
made for this purpose and protects nothing. The vectors are not part of the wheel.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from lockgate.scan.prove import der

_FORMATS = Path(__file__).parent / "lockgate" / "formats"
_NOTICE = """\
Test keys, made by rules/{program} for the tests of this format. They protect nothing.
positive-*: proven. damaged-*: never clean. look-alike-*: refuted.
"""
_PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey
)


def _der(key: _PrivateKey, form: ser.PrivateFormat) -> bytes:
    return key.private_bytes(ser.Encoding.DER, form, ser.NoEncryption())


def _pem(key: _PrivateKey, form: ser.PrivateFormat) -> bytes:
    return key.private_bytes(ser.Encoding.PEM, form, ser.NoEncryption())


def _unarmoured(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 9 // 10]


def _numbers(*numbers: int) -> bytes:
    return der.encode(der.SEQUENCE, *map(der.encode_integer, numbers))


def vectors() -> dict[str, dict[str, bytes]]:
    """Format name to vector name to bytes."""
    rsa_key = rsa.generate_private_key(65537, 2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    ed_key = ed25519.Ed25519PrivateKey.generate()
    dsa_key = dsa.generate_private_key(2048)
    pkcs8, traditional = ser.PrivateFormat.PKCS8, ser.PrivateFormat.TraditionalOpenSSL
    pkcs1_der, pkcs8_der = _der(rsa_key, traditional), _der(rsa_key, pkcs8)
    sec1_der, dsa_der = _der(ec_key, traditional), _der(dsa_key, traditional)
    ssh = _unarmoured(_pem(ed_key, ser.PrivateFormat.OpenSSH))
    pem = _pem(ec_key, pkcs8)
    ones = 2**1024 - 1
    return {
        "pkcs1": {
            "positive-rsa2048": pkcs1_der,
            "damaged-cut": _cut(pkcs1_der),
            "look-alike-numbers": _numbers(0, 2**2048 - 1, 65537, *[ones] * 6),
        },
        "pkcs8": {
            "positive-rsa2048": pkcs8_der,
            "positive-ed25519": _der(ed_key, pkcs8),
            "damaged-cut": _cut(_der(ed_key, pkcs8)),
            "look-alike-prefix": bytes(64) + _der(ed_key, pkcs8)[:16] + bytes(64),
        },
        "sec1": {
            "positive-p256": sec1_der,
            "damaged-point": sec1_der[:-1] + bytes((sec1_der[-1] ^ 1,)),
            "look-alike-zeros": sec1_der[:7] + bytes(len(sec1_der) - 7),
        },
        "dsa": {
            "positive-dsa2048": dsa_der,
            "damaged-cut": _cut(dsa_der) + dsa_der[len(_cut(dsa_der)) : -4],
            "look-alike-numbers": _numbers(0, ones, 2**160 - 1, 2, 3, 4),
        },
        "openssh": {
            "positive-ed25519": ssh,
            "damaged-cut": _cut(ssh),
            "look-alike-magic": b"openssh-key-v1\0" + bytes(200),
        },
        "pem": {
            "positive-p256": pem,
            "damaged-cut": _cut(pem[: pem.index(b"-----END")]),
            "look-alike-labels": b"-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0",
        },
    }


def write(made: dict[str, dict[str, bytes]], program: str) -> None:
    """Write the vectors of these formats anew."""
    for name, files in made.items():
        folder = _FORMATS / name / "vectors"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.bin"):
            old.unlink()
        (folder / "README").write_text(_NOTICE.format(program=program), encoding="ascii")
        for vector, content in files.items():
            (folder / f"{vector}.bin").write_bytes(content)


if __name__ == "__main__":
    write(vectors(), Path(__file__).name)
