"""The forms of a registry file: certificates, SPKI, JWKS, ssh lines, and our own TOML.

Rules enforced here: those of ``lockgate.scan.registry``. Exceptions of the parsers below are
never chained, because they may quote the content.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.x448 import X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_ssh_public_key

from lockgate.scan.names import escape_name
from lockgate.scan.protected import ProtectedKey, UnsupportedKeyError, protected_key
from lockgate.scan.prove import der

#: The keys of a ``[[key]]`` table.
TOML_KEYS = ("name", "fingerprint", "spki", "algorithm", "bits")

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----")
_PRIVATE = re.compile(rb"PRIVATE KEY|openssh-key-v1\0|PuTTY-User-Key-File|AGE-SECRET-KEY")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_JSON = re.compile(rb"\{|\[\s*\{")
_SSH_LINE = re.compile(rb"(?:^|\s)((?:ssh-|ecdsa-sha2-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]+)(.*)")
_JWK_CURVES: dict[str, type[pyca_ec.EllipticCurve]] = {
    "P-256": pyca_ec.SECP256R1,
    "P-384": pyca_ec.SECP384R1,
    "P-521": pyca_ec.SECP521R1,
    "secp256k1": pyca_ec.SECP256K1,
}
_OKP: dict[str, Callable[[bytes], object]] = {
    "Ed25519": Ed25519PublicKey.from_public_bytes,
    "X25519": X25519PublicKey.from_public_bytes,
    "Ed448": Ed448PublicKey.from_public_bytes,
    "X448": X448PublicKey.from_public_bytes,
}


class RegistryError(ValueError):
    """A registry file that cannot be used; the message quotes nothing secret."""


def read_entries(content: bytes, source: str) -> tuple[ProtectedKey, ...]:
    """The keys in ``content``; ``source`` is how errors name the file.

    Raises:
        RegistryError: no known form, a broken entry, or a private key.
    """
    _refuse_private(content, source)
    text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"-----BEGIN " in text:
        entries = tuple(_from_pem(content, source))
    elif _JSON.match(text):
        entries = tuple(_from_jwks(text, source))
    elif content[:1] == b"\x30":
        entries = (_from_der(content, source, source),)
    elif any(_SSH_LINE.search(line) for line in content.splitlines()):
        entries = tuple(_from_ssh(content, source))
    else:
        entries = tuple(_from_toml(content, source))
    if not entries:
        raise RegistryError(f"{source}: holds no public key")
    return entries


def _refuse_private(content: bytes, source: str) -> None:
    if _PRIVATE.search(content) or _is_private_der(content):
        raise RegistryError(f"{source}: holds a private key; register the public half instead")


def _is_private_der(content: bytes) -> bool:
    """PKCS#8, PKCS#1 and SEC 1 begin with a small version; certificates and SPKI do not."""
    outer = der.read(content, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return False
    first = der.read(content, outer.body, outer.end)
    return first is not None and first.tag == der.INTEGER and first.end - first.body == 1


def _entry(name: str, load: Callable[[], object], where: str) -> ProtectedKey:
    """One entry; whatever the parser objects to becomes one plain error."""
    try:
        return protected_key(name, load())
    except Exception as error:  # noqa: BLE001 - parsers of foreign formats raise anything
        reason = str(error) if isinstance(error, UnsupportedKeyError) else "not readable"
        raise RegistryError(f"{where}: the public key is {reason}") from None


def _from_pem(content: bytes, source: str) -> Iterator[ProtectedKey]:
    for block in _PEM.finditer(content):
        line = content.count(b"\n", 0, block.start()) + 1
        where = f"{source}:{line}"
        try:
            body = base64.b64decode(b"".join(block[2].split()), validate=True)
        except binascii.Error:
            raise RegistryError(f"{where}: the PEM block is not base64") from None
        yield _from_der(body, where, source)


def _from_der(content: bytes, where: str, source: str) -> ProtectedKey:
    try:
        certificate = x509.load_der_x509_certificate(content)
    except Exception:  # noqa: BLE001 - then it is a bare public key or nothing
        return _entry(source, lambda: load_der_public_key(content), where)
    try:
        name = escape_name(certificate.subject.rfc4514_string()) or source
    except ValueError:
        name = source
    return _entry(name, certificate.public_key, where)


def _from_jwks(text: bytes, source: str) -> Iterator[ProtectedKey]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise RegistryError(f"{source}:{error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise RegistryError(f"{source}: not JSON") from None
    keys = document.get("keys", [document]) if isinstance(document, dict) else document
    if not isinstance(keys, list):
        raise RegistryError(f'{source}: "keys" is not a list')
    for number, jwk in enumerate(keys):
        where = f"{source}: keys[{number}]"
        if not isinstance(jwk, dict) or "kty" not in jwk:
            raise RegistryError(f"{where}: not a JSON Web Key")
        if jwk.keys() & {"d", "k", "p", "q", "oth"}:
            raise RegistryError(f"{where}: holds a private key; register the public half instead")
        name = escape_name(str(jwk.get("kid") or source))
        yield _entry(name, lambda jwk=jwk: _jwk_key(jwk), where)  # type: ignore[misc]


def _jwk_key(jwk: dict[str, Any]) -> object:
    """RFC 7518, section 6, and RFC 8037."""

    def octets(member: str) -> bytes:
        text = str(jwk[member])
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    def number(member: str) -> int:
        return int.from_bytes(octets(member), "big")

    match jwk["kty"]:
        case "RSA":
            return RSAPublicNumbers(number("e"), number("n")).public_key()
        case "EC":
            curve = _JWK_CURVES[jwk["crv"]]()
            return pyca_ec.EllipticCurvePublicNumbers(number("x"), number("y"), curve).public_key()
        case _:
            return _OKP[jwk["crv"]](octets("x"))


def _from_ssh(content: bytes, source: str) -> Iterator[ProtectedKey]:
    """Lines as in authorized_keys and known_hosts: options or hosts may come first."""
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        where = f"{source}:{number}"
        found = _SSH_LINE.search(line)
        if found is None:
            raise RegistryError(f"{where}: not an ssh public key line")
        public = found[1]
        name = escape_name(found[2].strip()) or where
        yield _entry(name, lambda public=public: load_ssh_public_key(public), where)  # type: ignore[misc]


def _from_toml(content: bytes, source: str) -> Iterator[ProtectedKey]:
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise RegistryError(f"{source}: neither text nor a DER public key") from None
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(
            f"{source}: no certificate, public key, JWKS, ssh line or TOML: {error}"
        ) from None
    for unknown in document.keys() - {"key"}:
        raise RegistryError(f'{source}: unknown table "{escape_name(unknown)}"; known is [[key]]')
    tables = document.get("key", [])
    if not isinstance(tables, list):
        raise RegistryError(f"{source}: write [[key]], not [key]")
    for number, table in enumerate(tables, start=1):
        yield _toml_entry(table, f"{source}: [[key]] number {number}")


def _toml_entry(table: dict[str, Any], where: str) -> ProtectedKey:
    for unknown in sorted(table.keys() - set(TOML_KEYS)):
        near = difflib.get_close_matches(unknown, TOML_KEYS, 1, 0)[0]
        raise RegistryError(
            f'{where}: unknown key "{escape_name(unknown)}"; did you mean "{near}"?'
        )
    name, fingerprint, spki = (table.get(k) for k in ("name", "fingerprint", "spki"))
    if not isinstance(name, str) or not name:
        raise RegistryError(f'{where}: "name" is missing or not text')
    if fingerprint is None and spki is None:
        raise RegistryError(f'{where}: one of "fingerprint" and "spki" is needed')
    if fingerprint is not None and not _is_fingerprint(fingerprint):
        raise RegistryError(f'{where}: "fingerprint" is not "sha256:" and 64 hex digits')
    if spki is None:
        assert isinstance(fingerprint, str)
        return ProtectedKey(
            escape_name(name), fingerprint, str(table.get("algorithm", "")), _bits(table, where)
        )
    entry = _spki_entry(escape_name(name), spki, where)
    if fingerprint not in (None, entry.fingerprint):
        raise RegistryError(f'{where}: "fingerprint" is not that of "spki"')
    return entry


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value) is not None


def _bits(table: dict[str, Any], where: str) -> int:
    bits = table.get("bits", 0)
    if not isinstance(bits, int) or bits < 0:
        raise RegistryError(f'{where}: "bits" is not a number')
    return bits


def _spki_entry(name: str, spki: object, where: str) -> ProtectedKey:
    try:
        encoded = base64.b64decode(str(spki), validate=True)
    except (binascii.Error, ValueError):
        raise RegistryError(f'{where}: "spki" is not base64') from None
    _refuse_private(encoded, where)
    return _entry(name, lambda: load_der_public_key(encoded), where)
