"""The certificate authority of an installation, and the keys beside it.

Rules enforced here:

1. Keys are ECDSA P-256 (CA, servers) or Ed25519 (ledger, passports), one file each, mode
   0600, made with O_EXCL: an existing key is never overwritten, and one that others may read
   is not used. The CA's may be in a PKCS#11 token instead (``.hardware``).
2. A certificate names exactly one identity, as a SPIFFE URI (SPIFFE X.509-SVID, section 2);
   an agent's is ``spiffe://<trust domain>/agent/<host>``, a person's ``.../person/<name>``.
3. Certificates of agents and people are for clients only and live for hours. Subject, names
   and extensions a certificate request asks for are ignored; only its key is taken.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lockgate.controller import clock
from lockgate.controller.identity import hardware
from lockgate.controller.identity.faults import IdentityError

CA_CERTIFICATE = "ca.pem"
CA_KEY = "ca.key"
#: Instead of the key file: the PKCS#11 URI of a key in a token.
CA_KEY_URI = "ca.uri"
LEDGER_KEY = "ledger.key"
LEDGER_PUBLIC = "ledger.pub"
PASSPORT_KEY = "passport.key"
PASSPORT_PUBLIC = "passport.pub"

_CA_LIFE = timedelta(days=3650)
#: A peer's clock may be this much behind ours.
_SKEW = timedelta(minutes=5)

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What a TLS server shows: chain up to the CA (join tokens name it) and key, PEM."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA: issues certificates in one trust domain."""

    trust_domain: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def bundle(self) -> bytes:
        """The CA certificates to trust, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def sha256(self) -> str:
        """SHA-256 of the CA certificate's DER, hex: what a join token carries."""
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return hashlib.sha256(der).hexdigest()

    def issue_agent(
        self, host: str, public_key: PublicKey, now: datetime, life: timedelta
    ) -> x509.Certificate:
        """A client certificate for the agent of ``host``."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        names: list[x509.GeneralName] = [self._uri(f"agent/{host}")]
        return self._issue(public_key, host, names, usage, now, life)

    def issue_person(
        self, name: str, public_key: PublicKey, now: datetime, life: timedelta
    ) -> x509.Certificate:
        """A client certificate for a person."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        names: list[x509.GeneralName] = [self._uri(f"person/{name}")]
        return self._issue(public_key, name, names, usage, now, life)

    def issue_server(self, names: Sequence[str], now: datetime, life: timedelta) -> ServerIdentity:
        """A server certificate with a new key; ``names`` are DNS names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        sans = [self._uri("controller"), *(_general_name(name) for name in dict.fromkeys(names))]
        leaf = self._issue(key.public_key(), "controller", sans, usage, now, life)
        chain = leaf.public_bytes(serialization.Encoding.PEM) + self.bundle
        return ServerIdentity(chain, _private_pem(key))

    def _uri(self, path: str) -> x509.GeneralName:
        return x509.UniformResourceIdentifier(f"spiffe://{self.trust_domain}/{path}")

    def _issue(
        self,
        public_key: PublicKey,
        name: str,
        sans: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        now: datetime,
        life: timedelta,
    ) -> x509.Certificate:
        return (
            _builder(_name(name), self.certificate.subject, public_key, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signing=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(sans), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


class ServerCertificate:
    """The certificate a server shows, renewed in memory when a third of its life is left."""

    def __init__(self, ca: Authority, names: Sequence[str], life: timedelta) -> None:
        self._ca = ca
        self._names = names
        self._life = life
        self._renew_at: datetime | None = None
        self._shown = ServerIdentity(b"", b"")

    def current(self) -> tuple[bytes, bytes]:
        """Chain and key for the next handshake."""
        now = clock.now()
        if self._renew_at is None or now >= self._renew_at:
            self._shown = self._ca.issue_server(self._names, now, self._life)
            self._renew_at = now + self._life * 2 / 3
        return self._shown.chain, self._shown.key


def create(folder: Path, trust_domain: str, now: datetime, key_uri: str = "") -> Authority:
    """Make the CA and the ledger's and passports' keys in ``folder``.

    ``key_uri``: the PKCS#11 URI of the CA's key, made in the token if it is not there; empty: a
    file.

    Raises:
        FileExistsError: there is an identity already; it is left as it was.
        IdentityError: the token cannot be used.
        ValueError: ``key_uri`` is none.
    """
    place = hardware.parse(key_uri) if key_uri else None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key: ec.EllipticCurvePrivateKey
    if place is None:
        key = ec.generate_private_key(ec.SECP256R1())
        _write_new(folder / CA_KEY, _private_pem(key), 0o600)
    else:
        key = hardware.make(place)
        _write_new(folder / CA_KEY_URI, f"{key_uri}\n".encode(), 0o600)
    certificate = _self_signed(key, trust_domain, now)
    _write_new(folder / CA_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    for private, public in ((LEDGER_KEY, LEDGER_PUBLIC), (PASSPORT_KEY, PASSPORT_PUBLIC)):
        _create_signing_key(folder / private, folder / public)
    return Authority(trust_domain, certificate, key)


def load(folder: Path) -> Authority:
    """The CA of ``folder``; its trust domain is read from its certificate.

    Raises:
        IdentityError: there is none, or what is there is not a CA of ours.
    """
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA_CERTIFICATE).read_bytes())
    except (OSError, ValueError):
        raise IdentityError(f"{folder / CA_CERTIFICATE}: not a readable certificate") from None
    key = _ca_key(folder)
    if key.public_key() != certificate.public_key():
        raise IdentityError(f"{folder / CA_CERTIFICATE}: is not of the authority's key")
    uris = _uris(certificate)
    if len(uris) != 1 or not uris[0].startswith("spiffe://"):
        raise IdentityError(f"{folder / CA_CERTIFICATE}: expected one SPIFFE URI")
    return Authority(uris[0].removeprefix("spiffe://"), certificate, key)


def _ca_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    uri = folder / CA_KEY_URI
    if uri.exists():
        try:
            return hardware.TokenKey(hardware.parse(uri.read_text("utf-8").strip()))
        except (OSError, ValueError) as error:
            raise IdentityError(f"{uri}: {error}") from None
    key = _load_private(folder / CA_KEY)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"{folder / CA_KEY}: expected an ECDSA key")
    return key


def load_signing_key(path: Path) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key of ``path``.

    Raises:
        IdentityError: it is not there, or is another kind of key.
    """
    key = _load_private(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise IdentityError(f"{path}: expected an Ed25519 key")
    return key


def _load_private(path: Path) -> object:
    try:
        if path.stat().st_mode & 0o077:
            raise IdentityError(f"{path}: others may read this private key; chmod it to 0600")
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise IdentityError(f"{path}: not a readable private key") from None


def server_names(listen: str, further: Sequence[str]) -> list[str]:
    """Names a server certificate carries: loopback, this host, the listen address, others."""
    wildcard = listen in {"0.0.0.0", "::"}  # noqa: S104  (compared, not bound)
    here = [socket.gethostname()] + ([] if wildcard else [listen])
    return ["localhost", "127.0.0.1", "::1", *here, *further]


def _self_signed(
    key: ec.EllipticCurvePrivateKey, trust_domain: str, now: datetime
) -> x509.Certificate:
    name = _name(f"Lockgate CA of {trust_domain}"[:64])
    uri = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
    return (
        _builder(name, name, key.public_key(), now, _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signing=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _usage(*, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing,
        crl_sign=signing,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _uris(certificate: x509.Certificate) -> list[str]:
    sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sans.get_values_for_type(x509.UniformResourceIdentifier)


def _create_signing_key(private: Path, public: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    _write_new(private, _private_pem(key), 0o600)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(public, pem, 0o644)


def _private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Create ``path`` durably; an existing file is an error."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
