"""Make the vectors of the binary key files and key stores: fresh test keys, damage, look-alikes.

Usage::

    python rules/make_store_vectors.py

Writes ``lockgate/formats/<name>/vectors/`` of the formats below, each file from its public
layout by the code here; the real tools make such files in ``tests/formats/test_key_files.py``.
Every key is made for this purpose and protects nothing. The vectors are not part of the wheel.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from lockgate.scan.prove import der
from make_vectors import write


def _little(*numbers: tuple[int, int]) -> bytes:
    return b"".join(value.to_bytes(size, "little") for value, size in numbers)


def _big(*numbers: tuple[int, int]) -> bytes:
    return b"".join(value.to_bytes(size, "big") for value, size in numbers)


def _capi(key: rsa.RSAPrivateKey) -> bytes:
    """PRIVATEKEYBLOB with 2048 bits."""
    k = key.private_numbers()
    n, e = k.public_numbers.n, k.public_numbers.e
    header = struct.pack("<4sI4sII", b"\x07\x02\0\0", 0xA400, b"RSA2", 2048, e)
    half = (k.p, 128), (k.q, 128), (k.dmp1, 128), (k.dmq1, 128), (k.iqmp, 128)
    return header + _little((n, 256), *half, (k.d, 256))


def _cng(key: rsa.RSAPrivateKey) -> bytes:
    """BCRYPT_RSAPRIVATE_BLOB with 2048 bits."""
    k = key.private_numbers()
    header = struct.pack("<4s5I", b"RSA2", 2048, 3, 256, 128, 128)
    return header + _big((k.public_numbers.e, 3), (k.public_numbers.n, 256), (k.p, 128), (k.q, 128))


def _cng_ecc(key: ec.EllipticCurvePrivateKey) -> bytes:
    """BCRYPT_ECCPRIVATE_BLOB on P-256."""
    k = key.private_numbers()
    point = k.public_numbers
    numbers = _big((point.x, 32), (point.y, 32), (k.private_value, 32))
    return struct.pack("<4sI", b"ECS2", 32) + numbers


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _mpint(number: int) -> bytes:
    return _string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _dropbear(key: rsa.RSAPrivateKey) -> bytes:
    k = key.private_numbers()
    numbers = (k.public_numbers.e, k.public_numbers.n, k.d, k.p, k.q)
    return _string(b"ssh-rsa") + b"".join(map(_mpint, numbers))


def _dropbear_ed25519(key: ed25519.Ed25519PrivateKey) -> bytes:
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return _string(b"ssh-ed25519") + _string(both)


def _keytab(secret: bytes) -> bytes:
    def counted(value: bytes) -> bytes:
        return struct.pack(">H", len(value)) + value

    names = counted(b"TEST.EXAMPLE") + counted(b"host") + counted(b"a.test.example")
    tail = struct.pack(">IIB", 1, 0, 3) + struct.pack(">H", 18) + counted(secret)
    entry = struct.pack(">H", 2) + names + tail + struct.pack(">I", 3)
    return b"\x05\x02" + struct.pack(">i", len(entry)) + entry


def _hidden(plain: bytes, password: str) -> bytes:
    """Sun's protector: salt, the key under a stream of SHA-1 values, SHA-1 of all."""
    secret, salt = password.encode("utf-16-be"), os.urandom(20)
    stream, digest = b"", salt
    while len(stream) < len(plain):
        digest = hashlib.sha1(secret + digest).digest()  # noqa: S324 - the format's own
        stream += digest
    body = bytes(a ^ b for a, b in zip(plain, stream, strict=False))
    check = hashlib.sha1(secret + plain).digest()  # noqa: S324 - the format's own
    oid = bytes.fromhex("060a2b060104012a02110101")
    algorithm = der.encode(der.SEQUENCE, oid, b"\x05\x00")
    return der.encode(der.SEQUENCE, algorithm, der.encode(der.OCTET_STRING, salt + body + check))


def _jks(key: bytes, password: str) -> bytes:
    sealed = _hidden(key, password)
    alias, kind = b"\0\4test", b"\0\5X.509"
    entry = struct.pack(">I", 1) + alias + bytes(8) + _string(sealed) + struct.pack(">I", 0)
    certificate = struct.pack(">I", 2) + alias + bytes(8) + kind + _string(os.urandom(40))
    return b"\xfe\xed\xfe\xed" + struct.pack(">II", 2, 2) + certificate + entry + bytes(20)


def _luks() -> bytes:
    names = b"".join(name.ljust(32, b"\0") for name in (b"aes", b"xts-plain64", b"sha256"))
    header = b"LUKS\xba\xbe\0\1" + names + struct.pack(">II", 4096, 64) + os.urandom(20)
    return header.ljust(592, b"\0")


def _pkcs12(key: rsa.RSAPrivateKey, password: bytes) -> bytes:
    sealing = ser.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2048)
    return pkcs12.serialize_key_and_certificates(b"test", key, None, None, sealing.build(password))


def vectors() -> dict[str, dict[str, bytes]]:
    """Format name to vector name to bytes."""
    key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    ed_key = ed25519.Ed25519PrivateKey.generate()
    plain = ec_key.private_bytes(ser.Encoding.DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    capi, cng, dropbear = _capi(key), _cng(key), _dropbear(key)
    keytab, sealed, opened = (
        _keytab(os.urandom(32)),
        _jks(plain, "not a default"),
        _jks(plain, "changeit"),
    )
    store = _pkcs12(key, b"not a default")
    return {
        "capi": {
            "positive-rsa2048": capi,
            "damaged-cut": capi[:300],
            "look-alike-numbers": capi[:20] + bytes(1152),
        },
        "cng": {
            "positive-rsa2048": cng,
            "positive-p256": _cng_ecc(ec_key),
            "damaged-cut": cng[:320],
            "look-alike-numbers": cng[:24] + bytes(600),
        },
        "dropbear": {
            "positive-rsa2048": dropbear,
            "positive-ed25519": _dropbear_ed25519(ed_key),
            "damaged-without-primes": dropbear[:-260],
            "look-alike-public": dropbear[:300],
        },
        "kerberos": {
            "positive-keytab": keytab,
            "damaged-type": keytab[:-39] + b"\x7f" + keytab[-38:],
            "look-alike-cut": keytab[:-20],
        },
        "java_keystore": {
            "positive-sealed": sealed,
            "positive-default": opened,
            "damaged-cut": b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\1" + sealed[100:140],
            "look-alike-count": b"\xfe\xed\xfe\xed\0\0\0\2\0\0\xff\xff" + bytes(64),
        },
        "pkcs12": {
            "positive-sealed": store,
            "positive-default": _pkcs12(key, b"changeit"),
            "damaged-cut": store[: len(store) * 9 // 10],
            "look-alike-empty": der.encode(
                der.SEQUENCE, der.encode_integer(3), store[7:20], bytes(40)
            ),
        },
        "sealed_store": {
            "positive-luks": _luks(),
            "damaged-digest": _luks(),
            "look-alike-magic": b"LUKS\xba\xbe\0\1" + bytes(600),
        },
    }


if __name__ == "__main__":
    write(vectors(), Path(__file__).name)
