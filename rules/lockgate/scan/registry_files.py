"""The forms of a registry file: certificates, SPKI, JWKS, ssh lines, and our own TOML.

Rules enforced here: those of ``lockgate.scan.registry``. Exceptions of the parsers below are
never chained, because they may quote the content. A certificate also tells when its key began.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.x448 import X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_ssh_public_key

from lockgate.scan.names import escape_name
from lockgate.scan.protected import KeyRecord, ProtectedKey
from lockgate.scan.registry_entry import RegistryError, read_key, refuse_private
from lockgate.scan.registry_toml import from_toml

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----")
_OURS = re.compile(rb"^[ \t]*\[\[[ \t]*key[ \t]*\]\]", re.MULTILINE)
_JSON = re.compile(rb"\{|\[\s*\{")
_SSH_LINE = re.compile(rb"(?:^|\s)((?:ssh-|ecdsa-sha2-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]+)(.*)")
_JWK_CURVES: dict[str, type[pyca_ec.EllipticCurve]] = {
    "P-256": pyca_ec.SECP256R1,
    "P-384": pyca_ec.SECP384R1,
    "P-521": pyca_ec.SECP521R1,
    "secp256k1": pyca_ec.SECP256K1,
}
#: RFC 7518, sections 6.2.2, 6.3.2 and 6.4.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_OKP: dict[str, Callable[[bytes], object]] = {
    "Ed25519": Ed25519PublicKey.from_public_bytes,
    "X25519": X25519PublicKey.from_public_bytes,
    "Ed448": Ed448PublicKey.from_public_bytes,
    "X448": X448PublicKey.from_public_bytes,
}


def read_entries(content: bytes, source: str) -> tuple[ProtectedKey, ...]:
    """The keys in ``content``; ``source`` is how errors name the file.

    Raises:
        RegistryError: no known form, a broken entry, or a private key.
    """
    refuse_private(content, source)
    text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if _OURS.search(text):  # first, since its sentences may mention any other form
        entries = tuple(from_toml(content, source))
    elif b"-----BEGIN " in text:
        entries = tuple(_from_pem(content, source))
    elif _JSON.match(text):
        entries = tuple(_from_jwks(text, source))
    elif content[:1] == b"\x30":
        entries = (_from_der(content, source, source),)
    elif any(_SSH_LINE.search(line) for line in content.splitlines()):
        entries = tuple(_from_ssh(content, source))
    else:
        entries = tuple(from_toml(content, source))
    if not entries:
        raise RegistryError(f"{source}: holds no public key")
    return entries


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
    from cryptography import x509  # costs a tenth of the start of a scan without a registry

    try:
        certificate = x509.load_der_x509_certificate(content)
    except Exception:  # noqa: BLE001 - then it is a bare public key or nothing
        return read_key(source, lambda: load_der_public_key(content), where)
    try:
        name = escape_name(certificate.subject.rfc4514_string()) or source
    except ValueError:
        name = source
    made = KeyRecord(made=certificate.not_valid_before_utc.date())
    return replace(read_key(name, certificate.public_key, where), record=made)


def _from_jwks(text: bytes, source: str) -> Iterator[ProtectedKey]:
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _public(pairs, source))
    except RegistryError:
        raise
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
        name = escape_name(str(jwk.get("kid") or source))
        yield read_key(name, lambda jwk=jwk: _jwk_key(jwk), where)  # type: ignore[misc]


def _public(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    """One object of a document, wherever it stands; of members of one name the last counts.

    Raises:
        RegistryError: it is the private half of a JSON Web Key.
    """
    members = dict(pairs)
    if "kty" in members and members.keys() & _PRIVATE_MEMBERS:
        raise RegistryError(f"{source}: holds a private key; register the public half instead")
    return members


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
        yield read_key(name, lambda public=public: load_ssh_public_key(public), where)  # type: ignore[misc]
