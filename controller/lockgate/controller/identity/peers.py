"""Who is calling: the identity of a peer, checked on every call.

Rules enforced here:

1. TLS checks a certificate only when a connection begins. Validity is therefore checked
   again on every call, so that an agent whose certificate has run out is refused on the
   connection it still holds.
2. The identity is the certificate's SPIFFE URI, exactly one, in our trust domain, of the
   form ``/agent/<host>``. Fields of messages are claims, never identity.
3. Whether the agent is enrolled and not banned, and its certificate one of ours that was not
   revoked, is asked of the store in the transaction of the call itself, so that a ban and an
   eviction hold from their commit on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from sqlalchemy import Connection, bindparam, select

from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import agents, certificates

# RFC 1123 labels, lower case; what an agent calls its host.
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


# Statements of the hot path are built once: building costs more than SQLite's work.
_STANDING = Prepared(
    select(agents.c.banned_at, certificates.c.serial, certificates.c.revoked_at)
    .outerjoin(
        certificates,
        (certificates.c.host == agents.c.host) & (certificates.c.serial == bindparam("serial")),
    )
    .where(agents.c.host == bindparam("host"))
)


@dataclass(frozen=True, slots=True)
class Peer:
    """An agent as its certificate names it."""

    host: str
    serial: str
    not_before: datetime
    not_after: datetime


def is_host(name: str) -> bool:
    """Whether ``name`` may be the host name of an agent."""
    return _HOST.fullmatch(name) is not None


def identify(
    auth: Mapping[str, Iterable[bytes]], trust_domain: str, now: datetime
) -> Peer | Refusal:
    """The caller of a call, from gRPC's auth context."""
    pems = list(auth.get("x509_pem_cert", ()))
    if not pems:
        return Refusal(RefusalReason.NO_CERTIFICATE)
    peer = _read_pem(pems[0], trust_domain)
    if peer is None:
        return Refusal(RefusalReason.IDENTITY_UNKNOWN)
    if not peer.not_before <= now <= peer.not_after:
        return Refusal(RefusalReason.CERTIFICATE_EXPIRED)
    return peer


def admitted(connection: Connection, host: str, serial: str) -> Refusal | None:
    """Whether the store knows the agent and its certificate, and has turned away neither."""
    row = _STANDING.first(connection, {"host": host, "serial": serial})
    if row is None:
        return Refusal(RefusalReason.IDENTITY_UNKNOWN)
    if row.banned_at is not None:
        return Refusal(RefusalReason.BANNED)
    if row.serial is None:
        return Refusal(RefusalReason.IDENTITY_UNKNOWN, "the certificate is not on record")
    return Refusal(RefusalReason.CERTIFICATE_REVOKED) if row.revoked_at is not None else None


def read(certificate: x509.Certificate, trust_domain: str) -> Peer | None:
    """The agent a certificate names; None when it names none of ours."""
    host = named_under("agent", certificate, trust_domain)
    if host is None or not is_host(host):
        return None
    return Peer(
        host=host,
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def named_under(kind: str, certificate: x509.Certificate, trust_domain: str) -> str | None:
    """What follows ``spiffe://<trust domain>/<kind>/`` in the one URI of a certificate."""
    try:
        sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    uris = sans.get_values_for_type(x509.UniformResourceIdentifier)
    prefix = f"spiffe://{trust_domain}/{kind}/"
    if len(uris) != 1 or not uris[0].startswith(prefix):
        return None
    return uris[0][len(prefix) :]


@lru_cache(maxsize=16_384)
def _read_pem(pem: bytes, trust_domain: str) -> Peer | None:
    try:
        return read(x509.load_pem_x509_certificate(pem), trust_domain)
    except ValueError:
        return None
