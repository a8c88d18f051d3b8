"""A key in every file form that some producer reads, in one folder.

Forms: ``pem`` (PKCS#8), ``trad.pem`` and ``trad.der`` (PKCS#1, SEC 1), ``p8.der``, ``raw`` (the
bare secret), ``sexp`` (libgcrypt), ``tomcrypt.der``, ``ssh`` (openssh-key-v1), ``crt`` (a
self-signed certificate), ``pub`` (SPKI PEM).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.x509.oid import NameOID
from keys import Key

_CLEAR = ser.NoEncryption()
_SEXP_CURVES = {"p256": "NIST P-256", "p384": "NIST P-384", "p521": "NIST P-521",
                "secp256k1": "secp256k1"}  # fmt: skip


class KeyFiles:
    """The files of one key; each is written when it is asked for."""

    def __init__(self, key: Key, folder: Path) -> None:
        """Files go to ``folder``."""
        self.key = key
        self._folder = folder

    def path(self, form: str) -> str:
        """The file of this form."""
        target = self._folder / f"key.{form}"
        if not target.exists():
            target.write_bytes(self._content(form))
            target.chmod(0o600)
        return str(target)

    def _content(self, form: str) -> bytes:
        key = self.key
        if form == "raw":
            return key.raw
        if form == "sexp":
            return _sexp(key).encode()
        if form == "tomcrypt.der":
            return _tomcrypt(key)
        if form == "crt":
            return _certificate(key)
        if form == "pub":
            return key.private.public_key().public_bytes(
                ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo
            )
        encoding, layout = {
            "pem": (ser.Encoding.PEM, ser.PrivateFormat.PKCS8),
            "p8.der": (ser.Encoding.DER, ser.PrivateFormat.PKCS8),
            "trad.pem": (ser.Encoding.PEM, ser.PrivateFormat.TraditionalOpenSSL),
            "trad.der": (ser.Encoding.DER, ser.PrivateFormat.TraditionalOpenSSL),
            "ssh": (ser.Encoding.PEM, ser.PrivateFormat.OpenSSH),
        }[form]
        return key.private.private_bytes(encoding, layout, _CLEAR)


def _sexp(key: Key) -> str:
    if key.family == "rsa":
        n, p, q = (key.numbers[part][0] for part in ("n", "p", "q"))
        d = key.numbers["d"][0]
        p, q = min(p, q), max(p, q)
        values = {"n": n, "e": 65537, "d": d, "p": p, "q": q, "u": pow(p, -1, q)}
        fields = "".join(f"({name} #{_even(value)}#)" for name, value in values.items())
        return f"(private-key (rsa {fields}))"
    if key.family == "ed":
        point, seed = key.strings["public"].hex(), key.strings["seed"].hex()
        fields = f"(curve Ed25519)(flags eddsa)(q #40{point}#)(d #{seed}#)"
        return f"(private-key (ecc {fields}))"
    (x, size), (y, _) = key.numbers["x"], key.numbers["y"]
    point = (x.to_bytes(size, "big") + y.to_bytes(size, "big")).hex()
    curve = _SEXP_CURVES[key.kind]
    return f'(private-key (ecc (curve "{curve}")(q #04{point}#)(d #{key.raw.hex()}#)))'


def _even(value: int) -> str:
    """Hexadecimal with a leading zero octet, as a positive number wants it."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big").hex()


def _tomcrypt(key: Key) -> bytes:
    """SEQUENCE {BIT STRING flags, INTEGER size, x, y, k} of libtomcrypt's ecc_export."""
    size = key.numbers["d"][1]
    values = (size, *(key.numbers[part][0] for part in ("x", "y", "d")))
    body = b"\x03\x02\x07\x80" + b"".join(_integer(value) for value in values)
    return b"\x30\x81" + bytes([len(body)]) + body


def _integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content


def _certificate(key: Key) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "corpus.test")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("corpus.test")]), critical=False)
    )
    algorithm = None if key.family == "ed" else hashes.SHA256()
    return builder.sign(key.private, algorithm).public_bytes(ser.Encoding.PEM)
