"""Enrolment and renewal: how an agent gets a certificate, decided inside one transaction.

Rules enforced here:

1. A join token is spent in the same transaction in which the certificate is recorded.
2. A token that names no host admits new hosts only; to enrol a known host again takes a
   token made for it, so that a stray token cannot take a host's name over. Tokens made before
   the host was evicted are void.
3. A certificate still valid may be renewed by its key; one that has run out only while it is
   the host's newest, and for a limited time; a revoked one never. A banned host gets neither,
   and no token.
4. Of a certificate request only the key is taken, P-256 or Ed25519, proven by the request's
   own signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from sqlalchemy import Connection, insert, select, update

from lockgate.controller import entries
from lockgate.controller.clock import to_micros
from lockgate.controller.identity import peers, tokens
from lockgate.controller.identity.authority import Authority, PublicKey
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.schema import agents, certificates, join_tokens

_PROOF_PREFIX = b"lockgate-renew-v1\0"


@dataclass(frozen=True, slots=True)
class Registrar:
    """Issues agents' certificates; ``life`` of each, and ``grace`` for late renewal."""

    authority: Authority
    ledger: Ledger
    life: timedelta
    grace: timedelta

    def make_token(
        self, connection: Connection, host: str | None, life: timedelta, now: datetime
    ) -> tokens.JoinToken | Refusal:
        """Make and record a join token; a refusal when ``host`` is banned."""
        if host is not None and not peers.is_host(host):
            return Refusal(RefusalReason.MALFORMED, "host: not a lower-case host name")
        if host is not None and _is_banned(connection, host):
            return Refusal(RefusalReason.BANNED)
        token = tokens.new(self.authority.sha256)
        connection.execute(
            insert(join_tokens).values(
                secret_sha256=token.secret_sha256,
                host=host,
                created_at=to_micros(now),
                expires_at=to_micros(now + life),
            )
        )
        fields = {"token": token.secret_sha256, "host": host, "seconds": int(life.total_seconds())}
        self.ledger.append(connection, entries.identity("join-token", now, fields))
        return token

    def enrol(
        self, connection: Connection, token_text: str, request: bytes, host: str, now: datetime
    ) -> x509.Certificate | Refusal:
        """Trade a join token and a PKCS#10 request for a certificate."""
        public_key = requested_key(request)
        if isinstance(public_key, Refusal):
            return public_key
        if not peers.is_host(host):
            return Refusal(RefusalReason.MALFORMED, "host: not a lower-case host name")
        token = tokens.parse(token_text)
        refusal = self._check_token(connection, token, host, now)
        if refusal is not None or token is None:
            return refusal or Refusal(RefusalReason.TOKEN_UNKNOWN)
        connection.execute(
            update(join_tokens)
            .where(join_tokens.c.secret_sha256 == token.secret_sha256)
            .values(used_at=to_micros(now), used_by=host)
        )
        self._admit(connection, host, now)
        fields = {"token": token.secret_sha256}
        return self._issue(connection, "enrolment", host, public_key, now, fields)

    def renew(
        self, connection: Connection, old: bytes, request: bytes, signature: bytes, now: datetime
    ) -> x509.Certificate | Refusal:
        """Trade proof of the last key and a new request for a certificate."""
        public_key = requested_key(request)
        if isinstance(public_key, Refusal):
            return public_key
        certificate = self._own(old)
        if certificate is None:
            return Refusal(RefusalReason.CERTIFICATE_UNKNOWN)
        peer = peers.read(certificate, self.authority.trust_domain)
        if peer is None:
            return Refusal(RefusalReason.CERTIFICATE_UNKNOWN)
        if not _verifies(certificate, signature, _PROOF_PREFIX + request):
            return Refusal(RefusalReason.PROOF)
        refusal = peers.admitted(connection, peer.host, peer.serial) or self._check_age(
            connection, peer, now
        )
        if refusal is not None:
            return refusal
        fields = {"renews": peer.serial}
        return self._issue(connection, "renewal", peer.host, public_key, now, fields)

    def _check_token(
        self, connection: Connection, token: tokens.JoinToken | None, host: str, now: datetime
    ) -> Refusal | None:
        if token is None or token.ca_sha256 != self.authority.sha256:
            return Refusal(RefusalReason.TOKEN_UNKNOWN)
        known = select(join_tokens).where(join_tokens.c.secret_sha256 == token.secret_sha256)
        row = connection.execute(known).first()
        if row is None:
            return Refusal(RefusalReason.TOKEN_UNKNOWN)
        if row.used_at is not None:
            return Refusal(RefusalReason.TOKEN_USED)
        if row.revoked_at is not None:
            return Refusal(RefusalReason.TOKEN_REVOKED)
        if row.expires_at <= to_micros(now):
            return Refusal(RefusalReason.TOKEN_EXPIRED)
        agent = connection.execute(select(agents).where(agents.c.host == host)).first()
        if agent is not None and agent.banned_at is not None:
            return Refusal(RefusalReason.BANNED)
        names_host = row.host == host
        return (
            None
            if names_host or (row.host is None and agent is None)
            else Refusal(RefusalReason.TOKEN_HOST)
        )

    def _admit(self, connection: Connection, host: str, now: datetime) -> None:
        """A new agent, or a known one that starts again."""
        fresh = {
            "enrolled_at": to_micros(now),
            "last_sequence": 0,
            "evicted_at": None,
            "evict_reason": None,
        }
        changed = connection.execute(update(agents).where(agents.c.host == host).values(**fresh))
        if changed.rowcount == 0:
            connection.execute(insert(agents).values(host=host, **fresh))

    def _own(self, der: bytes) -> x509.Certificate | None:
        """The certificate, if this authority has signed it."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            certificate.verify_directly_issued_by(self.authority.certificate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return None
        return certificate

    def _check_age(self, connection: Connection, peer: peers.Peer, now: datetime) -> Refusal | None:
        if now <= peer.not_after:
            return None
        newest = connection.execute(
            select(certificates.c.serial)
            .where(certificates.c.host == peer.host)
            .order_by(certificates.c.issued_at.desc())
            .limit(1)
        ).scalar()
        if newest != peer.serial:
            return Refusal(RefusalReason.CERTIFICATE_UNKNOWN)
        late = now > peer.not_after + self.grace
        return Refusal(RefusalReason.CERTIFICATE_EXPIRED) if late else None

    def _issue(
        self,
        connection: Connection,
        kind: str,
        host: str,
        public_key: PublicKey,
        now: datetime,
        fields: dict[str, Any],
    ) -> x509.Certificate:
        certificate = self.authority.issue_agent(host, public_key, now, self.life)
        serial = f"{certificate.serial_number:x}"
        expires = certificate.not_valid_after_utc
        connection.execute(
            insert(certificates).values(
                serial=serial, host=host, issued_at=to_micros(now), expires_at=to_micros(expires)
            )
        )
        fields = {"host": host, "serial": serial, **fields}
        self.ledger.append(connection, entries.identity(kind, now, fields))
        return certificate


def _is_banned(connection: Connection, host: str) -> bool:
    known = select(agents.c.banned_at).where(agents.c.host == host)
    return connection.execute(known).scalar() is not None


def requested_key(request: bytes) -> PublicKey | Refusal:
    """The public key of a PKCS#10 request (RFC 2986) whose signature verifies."""
    try:
        parsed = x509.load_der_x509_csr(request)
        key = parsed.public_key()
        valid = parsed.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Refusal(RefusalReason.CERTIFICATE_REQUEST, "not a PKCS#10 request")
    if not valid:
        return Refusal(RefusalReason.CERTIFICATE_REQUEST, "its signature does not verify")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return Refusal(RefusalReason.CERTIFICATE_REQUEST, "expected a P-256 or Ed25519 key")


def _verifies(certificate: x509.Certificate, signature: bytes, message: bytes) -> bool:
    key = certificate.public_key()
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def to_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
